// The frames of native/monitor/PROTOCOL.md: a big-endian 32-bit length, then fields separated by NUL.
//
// Contract: Fields only points into what it was given. A Frame is an answer of the monitor, always small.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace monitor {

constexpr std::size_t kPrefix = 4;
constexpr std::size_t kLongestFrame = 4 * 1024 * 1024;

std::uint32_t length_of(const char* prefix);
void put_length(char* prefix, std::size_t length);

// A decimal number without sign, at most `most`; anything else is none.
std::optional<std::uint64_t> number_in(std::string_view text, std::uint64_t most);

class Fields {
 public:
  explicit Fields(std::string_view body) : rest_(body) {}
  bool more() const { return more_; }
  // Empty when there is none: ask more() where that is a difference.
  std::string_view next();
  std::optional<std::uint64_t> next_number(std::uint64_t most);

 private:
  std::string_view rest_;
  bool more_ = true;
};

class Frame {
 public:
  explicit Frame(std::string_view type) { put(type); }
  Frame& add(std::string_view field);
  Frame& add(std::int64_t number);
  std::string_view bytes() const { return {bytes_, size_}; }

 private:
  void put(std::string_view text);

  char bytes_[256];
  std::size_t size_ = kPrefix;
};

}  // namespace monitor
