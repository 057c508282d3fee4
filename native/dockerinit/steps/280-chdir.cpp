// init.chdir: goes to the working directory, as the user, and makes sure that it lies inside.
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

#include "../steps.hpp"

namespace dockerinit {

// `WORKDIR /proc/self/fd/7` once led through a forgotten descriptor to the host's tree (CVE-2024-21626).
// Descriptors above 3 are closed by now, but 0, 1 and 2 are the caller's and may be directories. The kernel's
// own getcwd says "(unreachable)" for a directory outside the root; libc's would hide that behind ENOENT.
Result<InsideCwd> chdir(Init& init, const CapabilitiesDropped&) {
  const std::string wanted = init.config.working_dir.empty() ? "/" : init.config.working_dir;
  if (auto done = init.kernel.chdir(wanted); !done)
    return done.because("cannot use the working directory " + wanted);
  char cwd[PATH_MAX] = {};
  if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0)
    return refuse("getcwd", {}, errno, "the working directory has no path");
  if (cwd[0] != '/')
    return refuse("getcwd", {}, EPERM, "the working directory is outside the container: " + wanted);
  init.note("cwd", std::string(cwd));
  return InsideCwd{};
}

}  // namespace dockerinit
