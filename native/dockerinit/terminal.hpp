// A terminal in the container's own devpts: the process that has it as its own holds the peer, the daemon
// gets the master.
#pragma once

#include "init.hpp"

namespace dockerinit {

struct Terminal {
  Fd master;
  Fd peer;
};

// `pts`: the devpts, a descriptor of it.
Result<Terminal> new_terminal(Init& init, int pts);

// 0, 1 and 2 become the peer, and it the controlling terminal. Needs a session without one.
Status take_terminal(Init& init, int peer);

}  // namespace dockerinit
