// The descriptors of one poll(2). One that nobody waits for is not in it: poll would report its hang-up again
// and again, and the loop would never rest.
#pragma once

#include <poll.h>

#include <cstddef>

namespace monitor {

class PollSet {
 public:
  static constexpr std::size_t kMost = 48;

  // The place to ask about afterwards.
  std::size_t add(int fd, short events) {
    items_[count_] = {fd, events, 0};
    return count_++;
  }
  std::size_t none() { return add(-1, 0); }
  short seen(std::size_t place) const { return items_[place].revents; }
  int wait(int milliseconds) { return ::poll(items_, count_, milliseconds); }

 private:
  pollfd items_[kMost];
  std::size_t count_ = 0;
};

}  // namespace monitor
