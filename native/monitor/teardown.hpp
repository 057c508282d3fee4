// What the monitor becomes when all is over: ts-dock, which undoes what the run has left.
//
// Contract: the program gets exactly the given words and variables, default signals, the lock, and no
// descriptor besides it and 0 to 2.
#pragma once

#include <string>
#include <vector>

namespace monitor {

struct Teardown {
  std::vector<std::string> words;
  std::vector<std::string> variables;
};

// Signals that a terminal or a shell sends around: the container's terminal is not the monitor's, and a
// closed session must not end a container that outlives it. SIGXFSZ: a limit on the size of files costs log
// lines only.
void ignore_signals();

// Comes back only if the program cannot be executed.
void become(const Teardown& teardown);

}  // namespace monitor
