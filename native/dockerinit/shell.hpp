// `shell`: the debugger's shell, on the host or in the namespaces of a half-built container.
//
//   shell [-cgroup FILE]... [-tty] [-join] [-jail CAPABILITIES] -- CMD...
//
// Descriptor 3 is the daemon's socket, 4 (with -join) a pidfd of the container's first process. With -tty the
// shell gets a terminal of the host's devpts, whose master is sent over 3. How the shell ended comes as two
// bytes (0 exit code, 1 signal; the number); then whatever it left behind is waited for, and the end of the
// socket is the end of all.
#pragma once

#include <string>
#include <vector>

namespace dockerinit {

int shell(const std::vector<std::string>& words);

}  // namespace dockerinit
