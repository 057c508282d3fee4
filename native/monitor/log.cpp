// See log.hpp.
#include "log.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "clock.hpp"

namespace monitor {

using tsdock::checked;
using tsdock::Fd;
using tsdock::Refusal;

namespace {

void put_digits(char* out, std::int64_t value, int digits) {
  for (int n = digits - 1; n >= 0; --n, value /= 10) out[n] = static_cast<char>('0' + value % 10);
}

// gmtime_r would read the machine's time zone file, and with it a good part of libc.
void put_date(char* out, std::int64_t second) {
  using namespace std::chrono;
  const sys_seconds time{seconds(second)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss<seconds> clock(time - day);
  std::memcpy(out, "0000-00-00T00:00:00", 19);
  put_digits(out, static_cast<int>(date.year()), 4);
  put_digits(out + 5, static_cast<unsigned>(date.month()), 2);
  put_digits(out + 8, static_cast<unsigned>(date.day()), 2);
  put_digits(out + 11, clock.hours().count(), 2);
  put_digits(out + 14, clock.minutes().count(), 2);
  put_digits(out + 17, clock.seconds().count(), 2);
}

// A part of a line would spoil the file for every reader, so what was written of it is taken back. If
// somebody cut the file meanwhile there is nothing to take back, and extending it would fill it with zeros.
void take_back(int file, std::string_view part) {
  const std::size_t newline = part.rfind('\n');
  const std::size_t broken = newline == std::string_view::npos ? part.size() : part.size() - newline - 1;
  struct stat now {};
  if (broken == 0 || ::fstat(file, &now) != 0 || now.st_size < static_cast<off_t>(broken)) return;
  static_cast<void>(!::ftruncate(file, now.st_size - static_cast<off_t>(broken)));
}

}  // namespace

// O_NONBLOCK and the look at the type: a fifo in the log's place would stop the container at its first line.
void Log::open(const char* path) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  Fd file(checked("openat", ::open(path, kFlags, 0600)));
  struct stat found {};
  checked("fstat", ::fstat(file.get(), &found));
  if (!S_ISREG(found.st_mode)) throw Refusal{"openat", EINVAL};
  checked("fchmod", ::fchmod(file.get(), 0600));
  file_ = std::move(file);
}

void Log::add(Stream stream, std::string_view bytes) {
  if (file_.get() < 0) return;
  Line& line = lines_[static_cast<int>(stream)];
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::size_t size = newline == std::string_view::npos ? bytes.size() : newline + 1;
    if (line.size == 0 && size <= kPiece && newline != std::string_view::npos) {
      entry(stream, bytes.substr(0, size));
    } else {
      gather(line, stream, bytes.substr(0, size));
    }
    bytes.remove_prefix(size);
  }
  flush();
}

// `bytes` ends with a newline or has none. A piece that is cut never ends within a character: its beginning
// waits for the rest.
void Log::gather(Line& line, Stream stream, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), kPiece - line.size);
    std::memcpy(line.bytes + line.size, bytes.data(), size);
    line.size += size;
    bytes.remove_prefix(size);
    const std::string_view text(line.bytes, line.size);
    const bool whole = text.back() == '\n';
    if (!whole && line.size < kPiece) return;
    const std::size_t kept = whole ? 0 : unfinished(text);
    entry(stream, text.substr(0, text.size() - kept));
    std::memmove(line.bytes, line.bytes + line.size - kept, kept);
    line.size = kept;
  }
}

void Log::end(Stream stream) {
  Line& line = lines_[static_cast<int>(stream)];
  if (line.size > 0) entry(stream, {line.bytes, line.size});
  line.size = 0;
  flush();
}

void Log::entry(Stream stream, std::string_view text) {
  if (sizeof pending_ - size_ < kGrowth * text.size() + kAround) flush();
  put("{\"log\":\"");
  size_ = static_cast<std::size_t>(escaped(pending_ + size_, text) - pending_);
  put(stream == Stream::out ? "\",\"stream\":\"stdout\",\"time\":\""
                            : "\",\"stream\":\"stderr\",\"time\":\"");
  put_time();
  put("\"}\n");
}

void Log::put(std::string_view text) {
  std::memcpy(pending_ + size_, text.data(), text.size());
  size_ += text.size();
}

void Log::put_time() {
  const std::int64_t time = wall();
  if (time / kSecond != second_) {
    second_ = time / kSecond;
    put_date(date_, second_);
  }
  put({date_, 19});
  char fraction[] = ".000000000Z";
  put_digits(fraction + 1, time % kSecond, 9);
  put(fraction);
}

void Log::flush() {
  const std::string_view all(pending_, std::exchange(size_, 0));
  std::size_t written = 0;
  while (written < all.size()) {
    const ssize_t done = ::write(file_.get(), all.data() + written, all.size() - written);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return take_back(file_.get(), all.substr(0, written));
    written += static_cast<std::size_t>(done);
  }
}

}  // namespace monitor
