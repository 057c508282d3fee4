// The container's log in Docker's json-file format (PROTOCOL.md).
//
// Contract: one line of the container is one line of the log, in one write, or nothing of it. Never throws
// and never waits once it is open: a full disk costs lines, not the container.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "../shared/fd.hpp"
#include "json-text.hpp"

namespace monitor {

enum class Stream { out, err };

class Log {
 public:
  static constexpr std::size_t kPiece = 16 * 1024;

  // Throws Refusal.
  void open(const char* path);
  void add(Stream stream, std::string_view bytes);
  // The stream's last line may lack its newline.
  void end(Stream stream);
  void flush();

 private:
  struct Line {
    char bytes[kPiece];
    std::size_t size = 0;
  };
  static constexpr std::size_t kAround = 128;  // all of an entry that is not the text
  static constexpr std::size_t kEntry = kGrowth * kPiece + kAround;

  void gather(Line& line, Stream stream, std::string_view bytes);
  void entry(Stream stream, std::string_view text);
  void put(std::string_view text);
  void put_time();

  tsdock::Fd file_;
  Line lines_[2];
  char pending_[kEntry + 32 * 1024];
  std::size_t size_ = 0;
  std::int64_t second_ = -1;
  char date_[20] = {};  // of second_, to the seconds
};

}  // namespace monitor
