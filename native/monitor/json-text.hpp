// A container's bytes as the inside of a JSON string. The container is hostile: whatever it says, the log
// stays one valid JSON object a line, in valid UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace monitor {

// One byte becomes six at the most (a control character).
constexpr std::size_t kGrowth = 6;

// Writes to `out`, which has room for kGrowth times the text, and returns the end. What is no UTF-8 becomes
// U+FFFD, one for each longest beginning of a character, as the Unicode standard recommends.
char* escaped(char* out, std::string_view text);

// How many bytes at the end begin a character that what follows may complete (0 to 3).
std::size_t unfinished(std::string_view text);

}  // namespace monitor
