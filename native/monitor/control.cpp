// See control.hpp.
#include "control.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

namespace monitor {

using tsdock::Fd;

namespace {

constexpr std::size_t kAtOnce = 16 * 1024;
constexpr std::size_t kMostDescriptors = 8;

}  // namespace

Control::Control() { ::fcntl(kFd, F_SETFD, FD_CLOEXEC); }

void Control::end() {
  socket_ = Fd();
  buffer_ = {};
  descriptors_.clear();
}

bool Control::receive() {
  if (complete_) {
    // Large frames are rare: their memory is not kept.
    buffer_ = {};
    descriptors_.clear();
    complete_ = false;
  }
  if (buffer_.size() < kPrefix && !read_some(kPrefix)) return false;
  const std::size_t length = length_of(buffer_.data());
  if (length == 0 || length > kLongestFrame) {
    end();
    return false;
  }
  complete_ = read_some(kPrefix + length);
  return complete_;
}

// Never beyond the frame: so that the descriptors that come are this frame's. True when it is all there.
bool Control::read_some(std::size_t wanted) {
  char bytes[kAtOnce];
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  iovec part{bytes, std::min(sizeof bytes, wanted - buffer_.size())};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(kFd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got > 0) keep_descriptors(message);
  if (got <= 0 || (message.msg_flags & MSG_CTRUNC) != 0 || descriptors_.size() > kMostDescriptors) {
    end();
    return false;
  }
  buffer_.insert(buffer_.end(), bytes, bytes + got);
  return buffer_.size() == wanted;
}

void Control::keep_descriptors(msghdr& message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t n = 0; n < count; ++n) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + n * sizeof fd, sizeof fd);
      descriptors_.emplace_back(fd);
    }
  }
}

void Control::send(const Frame& frame, int fd) {
  if (!open()) return;
  const std::string_view bytes = frame.bytes();
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    *header = {CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(kFd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent != static_cast<ssize_t>(bytes.size())) end();
}

}  // namespace monitor
