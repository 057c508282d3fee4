// See input.hpp.
#include "input.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace monitor {

void Input::push(std::string_view bytes) {
  if (sizeof bytes_ - end_ < bytes.size()) {
    std::memmove(bytes_, bytes_ + begin_, size());
    end_ = size();
    begin_ = 0;
  }
  std::memcpy(bytes_ + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

Input::Sent Input::send(int fd) {
  const ssize_t sent = ::write(fd, bytes_ + begin_, size());
  if (sent < 0) return errno == EAGAIN || errno == EINTR ? Sent::later : Sent::refused;
  begin_ += static_cast<std::size_t>(sent);
  if (empty()) clear();
  return sent == 0 ? Sent::later : Sent::some;
}

}  // namespace monitor
