// --init: dockerinit stays process 1 of the container and has the program as its child. It reaps whom nobody
// waits for, passes signals on, and ends as the program ends.
#pragma once

#include "init.hpp"

namespace dockerinit {

// Forks and comes back in the child, which becomes the program. The parent never comes back: it is the
// reaper.
Status become_reaper(Init& init);

}  // namespace dockerinit
