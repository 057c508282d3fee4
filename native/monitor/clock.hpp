// The two clocks: CLOCK_MONOTONIC for order and deadlines, the wall clock for people.
#pragma once

#include <time.h>

#include <cstdint>

namespace monitor {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMillisecond = 1'000'000;

inline std::int64_t nanoseconds(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

inline std::int64_t now() { return nanoseconds(CLOCK_MONOTONIC); }
inline std::int64_t wall() { return nanoseconds(CLOCK_REALTIME); }

}  // namespace monitor
