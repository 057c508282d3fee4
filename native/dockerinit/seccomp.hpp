// The filter of init.seccomp, for whoever needs it: see steps/230-seccomp.cpp.
#pragma once

#include "kernel.hpp"
#include "result.hpp"

namespace dockerinit {

// `kept`: a bit for each capability that makes the calls which go with it legitimate.
Status install_deny_list(Kernel& kernel, uint64_t kept, size_t* instructions);

}  // namespace dockerinit
