// Output that some client has still to get: one stretch of bytes for all clients, each has its place in it.
//
// Contract: bounded. What no client needs costs no memory.
#pragma once

#include <cstddef>
#include <string_view>

namespace monitor {

class Backlog {
 public:
  // The container is not read beyond a fraction of this; the rest is for what is in its pipes when it ends.
  static constexpr std::size_t kSize = 512 * 1024;

  std::size_t end() const { return end_; }
  std::size_t room() const { return kSize - end_; }
  std::string_view from(std::size_t place) const { return {bytes_ + place, end_ - place}; }
  // There must be room.
  void add(std::string_view bytes);
  // Nobody needs the first `count` bytes.
  void drop(std::size_t count);

 private:
  bool mapped();

  char* bytes_ = nullptr;
  std::size_t end_ = 0;
  std::size_t touched_ = 0;
};

}  // namespace monitor
