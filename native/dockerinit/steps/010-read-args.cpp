// init.read-args: close what was not agreed on, make this process unreadable for its neighbours, and read
// `native -console C -pipe N -root DIR -- CMD...`.
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "../first-act.hpp"
#include "../steps.hpp"

namespace dockerinit {

// Before anything is read or waited for. Node leaks descriptors that it inherited (seen: fd 200 of the
// caller's shell got through), and a directory among them would be a way out of the container
// (CVE-2024-21626).
Status first_act(Init& init) {
  const unsigned agreed = Pipe::kFd + (init.target.get() >= 0 ? 1 : 0);
  if (auto closed = init.kernel.close_range(agreed + 1, 0); !closed) return closed;
  // A process that joins this pid namespace later, or pid 1 itself, could otherwise attach with ptrace and
  // take the host's descriptors out of /proc/PID/fd (CVE-2016-9962). execve makes the user's program dumpable
  // again.
  if (auto set = init.kernel.prctl(PR_SET_DUMPABLE, "PR_SET_DUMPABLE", 0, "SUID_DUMP_DISABLE"); !set)
    return set;
  // The daemon's umask is strict (its store is private); what init creates in the rootfs must not depend on
  // it.
  init.kernel.umask(022);
  // The environment is the caller's; nothing in it may steer this process (the container's own comes as
  // data).
  clearenv();
  // Writes say EPIPE themselves; the signal must not end init before it looked.
  signal(SIGPIPE, SIG_IGN);
  return Done{};
}

Status read_args(Init& init) {
  const char* title = "ts-dock:[INIT]";
  if (auto named = init.kernel.prctl(PR_SET_NAME, "PR_SET_NAME", reinterpret_cast<unsigned long>(title),
                                     "\"ts-dock:[INIT]\"");
      !named) {
    return named;
  }
  const auto& argv = init.argv;
  const bool shaped = argv.size() >= 9 && argv[1] == "-console" && argv[3] == "-pipe" && argv[5] == "-root" &&
                      argv[7] == "--";
  if (!shaped)
    return refuse("", {}, EINVAL, "arguments must be: native -console C -pipe 3 -root DIR -- CMD...");
  // Descriptor 3 is the contract; another number would be one that first_act closed.
  if (argv[4] != "3") return refuse("", {}, EINVAL, "-pipe must be 3, not " + argv[4]);
  if (!argv[6].starts_with('/')) return refuse("", {}, EINVAL, "-root must be absolute, not " + argv[6]);
  init.arguments.root = argv[6];
  init.arguments.command.assign(argv.begin() + 8, argv.end());
  init.note("command", init.arguments.command[0]);
  init.note("root", init.arguments.root);
  return Done{};
}

}  // namespace dockerinit
