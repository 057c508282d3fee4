// Reads a whole regular file from its descriptor, within a limit. A fifo would block init for ever, a device
// might act on being read, and a file without bound would eat the memory (CVE-2026-46680 class): each is
// refused.
#pragma once

#include <string>

#include "fd.hpp"
#include "result.hpp"

namespace dockerinit {

Result<std::string> read_file(const Fd& fd, size_t max);

// The same for procfs, whose files have no size: reads until the end or `max`.
Result<std::string> read_all(const Fd& fd, size_t max);

}  // namespace dockerinit
