// Capabilities by name and as a 64-bit mask, and what the kernel says this process has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernel.hpp"
#include "result.hpp"

namespace dockerinit {

struct CapabilitySets {
  uint64_t inheritable = 0;
  uint64_t permitted = 0;
  uint64_t effective = 0;
  uint64_t bounding = 0;
  uint64_t ambient = 0;
};

// `CHOWN`, as in container.json.
std::optional<unsigned> capability(std::string_view name);
std::string capability_name(unsigned number);

// The five sets as /proc/self/status tells them.
Result<CapabilitySets> capability_sets(Kernel& kernel);

}  // namespace dockerinit
