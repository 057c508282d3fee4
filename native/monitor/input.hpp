// What clients typed and the container has not read yet. Bounded: a full one stops the reading of clients.
#pragma once

#include <cstddef>
#include <string_view>

namespace monitor {

class Input {
 public:
  static constexpr std::size_t kMost = 64 * 1024;
  static constexpr std::size_t kAtOnce = 16 * 1024;

  bool full() const { return size() > kMost; }
  bool empty() const { return size() == 0; }
  // At most kAtOnce bytes, and not while it is full.
  void push(std::string_view bytes);
  void clear() { begin_ = end_ = 0; }

  enum class Sent { some, later, refused };
  // One write to a non-blocking descriptor.
  Sent send(int fd);

 private:
  std::size_t size() const { return end_ - begin_; }

  char bytes_[kMost + kAtOnce];
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace monitor
