// Who a `user[:group]` is, by the container's own /etc/passwd and /etc/group. Both files are the image's,
// that is to say hostile: numbers are range-checked, names are never numbers, and a line that cannot be read
// is no line.
#pragma once

#include <string>

#include "init.hpp"
#include "result.hpp"

namespace dockerinit {

// The kernel takes -1 for "leave it", so the largest id is one less.
constexpr uint64_t kMaxId = 4294967294;
constexpr size_t kMaxGroups = 65536;

Result<Identity> find_identity(const std::string& spec, const std::string& passwd, const std::string& group);

}  // namespace dockerinit
