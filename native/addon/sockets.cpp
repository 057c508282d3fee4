// The handshake's socket: bytes and descriptors over AF_UNIX streams. The peer may be hostile (a container's
// init).

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>

#include "values.hpp"

namespace tsdock {

namespace {

constexpr std::size_t kMostDescriptors = 253;  // the kernel's SCM_MAX_FD
constexpr std::size_t kControlSize = CMSG_SPACE(kMostDescriptors * sizeof(int));

Napi::Value make_pair(const Args& args) {
  int ends[2];
  checked("socketpair", ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  Napi::Array answer = Napi::Array::New(args.env(), 2);
  answer.Set(0U, ends[0]);
  answer.Set(1U, ends[1]);
  return answer;
}

Napi::Value connect_to(const Args& args) {
  const std::string path = args.text(0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Refusal{"connect", ENAMETOOLONG};
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(checked("socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  checked("connect", ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return number(args, fd.release());
}

std::vector<char> control_of(const std::vector<int>& fds) {
  if (fds.empty()) return {};
  const std::size_t size = fds.size() * sizeof(int);
  std::vector<char> control(CMSG_SPACE(size), 0);
  msghdr frame{};
  frame.msg_control = control.data();
  frame.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&frame);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(size);
  std::memcpy(CMSG_DATA(header), fds.data(), size);
  return control;
}

Napi::Value send_bytes(const Args& args) {
  const int fd = args.descriptor(0);
  const auto bytes = args.bytes(1);
  std::vector<char> control = control_of(args.descriptors(2));
  iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.empty() ? nullptr : control.data();
  message.msg_controllen = control.size();
  return number(args, checked("sendmsg", ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT)));
}

// Every descriptor that came is owned before anything else can fail: a peer must not be able to fill our
// table.
std::vector<Fd> received_descriptors(msghdr& message) {
  std::vector<Fd> fds;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t n = 0; n < count; ++n) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + n * sizeof(int), sizeof(int));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

Napi::Value receive_bytes(const Args& args) {
  const int fd = args.descriptor(0);
  std::vector<std::uint8_t> bytes(args.bits(1));
  alignas(cmsghdr) std::array<char, kControlSize> control;
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = checked("recvmsg", ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  std::vector<Fd> fds = received_descriptors(message);
  // There is room for all that the kernel passes, so something missing means that our own table is full.
  if ((message.msg_flags & MSG_CTRUNC) != 0) throw Refusal{"recvmsg", EMFILE};
  Napi::Object answer = Napi::Object::New(args.env());
  answer.Set("bytes", buffer(args, {bytes.data(), static_cast<std::size_t>(got)}));
  Napi::Array numbers = Napi::Array::New(args.env(), fds.size());
  for (std::uint32_t n = 0; n < fds.size(); ++n) numbers.Set(n, fds[n].get());
  answer.Set("fds", numbers);
  for (Fd& each : fds) each.release();
  return answer;
}

Napi::Value shut_down(const Args& args) {
  checked("shutdown", ::shutdown(args.descriptor(0), args.integer(1)));
  return done(args);
}

}  // namespace

void offer_sockets(Napi::Object& exports) {
  offer<make_pair>(exports, "socketpair");
  offer<connect_to>(exports, "connect");
  offer<send_bytes>(exports, "send");
  offer<receive_bytes>(exports, "recv");
  offer<shut_down>(exports, "shutdown");
}

}  // namespace tsdock
