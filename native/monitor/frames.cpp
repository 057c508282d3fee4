// See frames.hpp.
#include "frames.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace monitor {

std::uint32_t length_of(const char* prefix) {
  std::uint32_t length;
  std::memcpy(&length, prefix, sizeof length);
  return ntohl(length);
}

void put_length(char* prefix, std::size_t length) {
  const std::uint32_t bytes = htonl(static_cast<std::uint32_t>(length));
  std::memcpy(prefix, &bytes, sizeof bytes);
}

std::optional<std::uint64_t> number_in(std::string_view text, std::uint64_t most) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end || value > most) return std::nullopt;
  return value;
}

std::string_view Fields::next() {
  if (!more_) return {};
  const std::size_t end = rest_.find('\0');
  const std::string_view field = rest_.substr(0, end);
  more_ = end != std::string_view::npos;
  rest_.remove_prefix(more_ ? end + 1 : rest_.size());
  return field;
}

std::optional<std::uint64_t> Fields::next_number(std::uint64_t most) { return number_in(next(), most); }

void Frame::put(std::string_view text) {
  const std::size_t size = std::min(text.size(), sizeof bytes_ - size_);
  std::memcpy(bytes_ + size_, text.data(), size);
  size_ += size;
  put_length(bytes_, size_ - kPrefix);
}

Frame& Frame::add(std::string_view field) {
  put({"\0", 1});
  put(field);
  return *this;
}

Frame& Frame::add(std::int64_t number) {
  char digits[24];
  const auto written = std::to_chars(digits, digits + sizeof digits, number);
  return add(std::string_view(digits, static_cast<std::size_t>(written.ptr - digits)));
}

}  // namespace monitor
