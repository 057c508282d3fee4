// See json-text.hpp.
#include "json-text.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace monitor {

namespace {

enum class Kind { whole, broken, unfinished };

struct Sequence {
  Kind kind;
  std::size_t size;
};

// Bytes that follow the first one, and the range of the second: it is what excludes overlong forms,
// surrogates and what lies beyond U+10FFFF.
struct Shape {
  std::size_t more;
  std::uint8_t low;
  std::uint8_t high;
};

Shape shape_of(std::uint8_t first) {
  if (first >= 0xC2 && first <= 0xDF) return {1, 0x80, 0xBF};
  if (first == 0xE0) return {2, 0xA0, 0xBF};
  if (first == 0xED) return {2, 0x80, 0x9F};
  if (first >= 0xE1 && first <= 0xEF) return {2, 0x80, 0xBF};
  if (first == 0xF0) return {3, 0x90, 0xBF};
  if (first >= 0xF1 && first <= 0xF3) return {3, 0x80, 0xBF};
  if (first == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

Sequence sequence_at(std::string_view text) {
  const Shape shape = shape_of(static_cast<std::uint8_t>(text[0]));
  if (shape.more == 0) return {Kind::broken, 1};
  for (std::size_t n = 1; n <= shape.more; ++n) {
    if (n == text.size()) return {Kind::unfinished, n};
    const auto byte = static_cast<std::uint8_t>(text[n]);
    const std::uint8_t low = n == 1 ? shape.low : 0x80;
    const std::uint8_t high = n == 1 ? shape.high : 0xBF;
    if (byte < low || byte > high) return {Kind::broken, n};
  }
  return {Kind::whole, shape.more + 1};
}

char* put(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

char* put_control(char* out, char byte) {
  switch (byte) {
    case '\n':
      return put(out, "\\n");
    case '\r':
      return put(out, "\\r");
    case '\t':
      return put(out, "\\t");
    default:
      break;
  }
  constexpr char kHex[] = "0123456789abcdef";
  out = put(out, "\\u00");
  *out++ = kHex[byte >> 4];
  *out++ = kHex[byte & 15];
  return out;
}

bool is_plain(char byte) {
  const auto code = static_cast<std::uint8_t>(byte);
  return code >= 0x20 && code < 0x80 && byte != '"' && byte != '\\';
}

}  // namespace

char* escaped(char* out, std::string_view text) {
  while (!text.empty()) {
    const char* special = std::find_if_not(text.begin(), text.end(), is_plain);
    const auto plain = static_cast<std::size_t>(special - text.begin());
    out = put(out, text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const char byte = text[0];
    std::size_t taken = 1;
    if (byte == '"' || byte == '\\') {
      *out++ = '\\';
      *out++ = byte;
    } else if (static_cast<std::uint8_t>(byte) < 0x20) {
      out = put_control(out, byte);
    } else {
      const Sequence sequence = sequence_at(text);
      taken = sequence.size;
      out = put(out, sequence.kind == Kind::whole ? text.substr(0, taken) : "\xEF\xBF\xBD");
    }
    text.remove_prefix(taken);
  }
  return out;
}

std::size_t unfinished(std::string_view text) {
  for (std::size_t size = std::min<std::size_t>(3, text.size()); size > 0; --size) {
    const Sequence last = sequence_at(text.substr(text.size() - size));
    if (last.kind == Kind::unfinished && last.size == size) return size;
  }
  return 0;
}

}  // namespace monitor
