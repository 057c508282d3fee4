// init.user: becomes the program's user and groups, as the container's own user database has them.
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <algorithm>

#include "../read-file.hpp"
#include "../steps.hpp"
#include "../user-database.hpp"

namespace dockerinit {
namespace {

constexpr size_t kMaxDatabase = 10 << 20;

// The image may have made it a fifo (opening would wait for ever), a device or a link into /proc: it is
// looked at before it is opened for reading. Absent is empty, as in an image without users.
Result<std::string> database(Init& init, const std::string& path) {
  constexpr uint64_t kInside = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  auto look = init.kernel.openat2(AT_FDCWD, path, O_PATH | O_NOFOLLOW, 0, kInside);
  if (look.error() == ENOENT || look.error() == ENOTDIR) return std::string();
  if (!look) return look.because("cannot open " + path);
  struct stat file {};
  if (fstat(look->get(), &file) != 0 || !S_ISREG(file.st_mode)) {
    return refuse("fstat", {path}, EINVAL, path + " is not a regular file");
  }
  auto opened =
      init.kernel.openat2(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, kInside);
  if (!opened) return opened.because("cannot open " + path);
  auto text = read_file(*opened, kMaxDatabase);
  if (!text) return text.because(path + " " + text.failure().detail);
  return text;
}

// HOME is the user's choice if he made one; unset or empty it comes from the database.
void set_home(std::vector<std::string>& environment, const std::string& home) {
  const auto found = std::find_if(environment.begin(), environment.end(),
                                  [](const std::string& variable) { return variable.starts_with("HOME="); });
  if (found == environment.end()) {
    environment.push_back("HOME=" + home);
  } else if (*found == "HOME=") {
    *found += home;
  }
}

// The terminal was born root's; its user must be able to open /dev/console and /dev/stdout again.
Status own_terminal(Init& init) {
  if (!init.config.tty || init.identity.uid == 0) return Done{};
  return init.kernel.fchown(0, init.identity.uid, static_cast<gid_t>(-1));
}

Status become(Init& init, const Identity& identity) {
  auto& kernel = init.kernel;
  if (auto done = kernel.prctl(PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS", 1, "1"); !done) return done;
  // Always, and before the ids: inherited groups of the daemon are the host's (CVE-2022-36109, 2023-25173).
  if (auto done = kernel.setgroups(identity.groups); !done) return done.because("cannot set the groups");
  if (auto done = kernel.setresgid(identity.gid); !done) return done.because("cannot set the group");
  if (auto done = kernel.setresuid(identity.uid); !done) return done.because("cannot set the user");
  return kernel.prctl(PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS", 0, "0");
}

}  // namespace

Result<UserChanged> user(Init& init, const Jailed&, const BoundingCut&) {
  auto passwd = database(init, "/etc/passwd");
  if (!passwd) return passwd.failure();
  auto group = database(init, "/etc/group");
  if (!group) return group.failure();
  auto identity = find_identity(init.config.user, *passwd, *group);
  if (!identity) return identity.failure();
  init.identity = std::move(*identity);
  set_home(init.environment, init.identity.home);
  if (auto done = own_terminal(init); !done) return done.failure();
  if (auto done = become(init, init.identity); !done) return done.failure();
  // The kernel forgets the parent-death signal when the user changes. The parent may have died in between,
  // and getppid says nothing across pid namespaces: the pipe does.
  if (!init.outlives) {
    auto armed = init.kernel.prctl(PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG", SIGKILL, "SIGKILL");
    if (!armed) return armed.failure();
  }
  if (auto there = init.pipe.still_there(); !there) return there.failure();
  init.note("uid", static_cast<int64_t>(init.identity.uid));
  init.note("gid", static_cast<int64_t>(init.identity.gid));
  init.note("groups", static_cast<int64_t>(init.identity.groups.size()));
  init.note("home", init.identity.home);
  return UserChanged{};
}

}  // namespace dockerinit
