// What must happen before dockerinit trusts anything, even its arguments: see steps/010-read-args.cpp.
#pragma once

#include "init.hpp"

namespace dockerinit {

Status first_act(Init& init);

}  // namespace dockerinit
