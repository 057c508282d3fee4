// The run's lock and the container's folder: what the monitor holds on the disk.
//
// Contract: the lock is taken before anything in the folder is touched, so that a second monitor cannot take
// the first one's socket away. The folder is opened once; all names are looked up beneath that descriptor.
#pragma once

#include <cstdint>
#include <string_view>

#include "../shared/fd.hpp"

namespace monitor {

// The lock's descriptor: the only one that the teardown inherits, with the lock.
constexpr int kLock = 4;

struct Exit {
  const char* how;
  std::int64_t status;
  std::int64_t user_time;    // microseconds
  std::int64_t system_time;  // microseconds
  std::int64_t at;           // CLOCK_MONOTONIC, nanoseconds
  std::int64_t wall;         // milliseconds
};

// Before any descriptor is opened: nothing else may get the number.
bool keep_place_for_lock();
// All of these throw Refusal.
void take_lock(const char* path);
tsdock::Fd open_folder(const char* path);
tsdock::Fd listen_in(const tsdock::Fd& folder);

void give_up_lock();
void forget_socket(const tsdock::Fd& folder);
// Beside its place and renamed. If the disk is full there is none: the teardown knows what that means.
void record(const tsdock::Fd& folder, const Exit& exit);

}  // namespace monitor
