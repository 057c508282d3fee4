// Contract: see netlink.hpp.

#include "netlink.hpp"

#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <limits>
#include <optional>
#include <stdexcept>
#include <thread>

namespace tsdock {

namespace {

// What the kernel fills at most in one dump datagram when the reader offers it.
constexpr std::size_t kFirstBuffer = 32 * 1024;

int open_socket() { return ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); }

// A socket belongs for ever to the namespace that it was opened in, and setns moves one thread: so a thread
// of its own goes there, and neither Node's main thread nor any of its pool ever changes its network.
int open_socket_near(pid_t pid) {
  const Fd process(static_cast<int>(checked("pidfd_open", ::syscall(SYS_pidfd_open, pid, 0))));
  std::optional<Refusal> refusal;
  int fd = -1;
  std::thread([&] {
    if (::setns(process.get(), CLONE_NEWNET) < 0) {
      refusal = Refusal{"setns", errno};
    } else if ((fd = open_socket()) < 0) {
      refusal = Refusal{"socket", errno};
    }
  }).join();
  if (refusal) throw *refusal;
  return fd;
}

template <typename Value>
std::span<const std::uint8_t> raw(const Value& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)};
}

}  // namespace

Message::Message(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr head{};
  head.nlmsg_type = type;
  head.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
  append(raw(head));
}

void Message::append(std::span<const std::uint8_t> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  bytes_.resize(NLMSG_ALIGN(bytes_.size()), 0);
}

Message& Message::attribute(std::uint16_t type, std::span<const std::uint8_t> payload) {
  const std::size_t length = RTA_LENGTH(payload.size());
  if (length > std::numeric_limits<std::uint16_t>::max())
    throw std::length_error("netlink attribute too long");
  const rtattr head{static_cast<std::uint16_t>(length), type};
  append(raw(head));
  append(payload);
  return *this;
}

// With its NUL: some attributes (IFLA_INFO_KIND in old kernels) are compared as C strings.
Message& Message::text(std::uint16_t type, std::string_view value) {
  const std::string terminated(value);
  return attribute(type, {reinterpret_cast<const std::uint8_t*>(terminated.c_str()), terminated.size() + 1});
}

Message& Message::number(std::uint16_t type, std::uint32_t value) { return attribute(type, raw(value)); }

Message& Message::nest(std::uint16_t type, const std::function<void(Message&)>& fill) {
  const std::size_t start = bytes_.size();
  append(raw(rtattr{0, type}));
  fill(*this);
  const std::size_t length = bytes_.size() - start;
  if (length > std::numeric_limits<std::uint16_t>::max())
    throw std::length_error("netlink attribute too long");
  const rtattr head{static_cast<std::uint16_t>(length), type};
  std::memcpy(bytes_.data() + start, &head, sizeof(head));
  return *this;
}

std::uint16_t Message::type() const {
  nlmsghdr head;
  std::memcpy(&head, bytes_.data(), sizeof(head));
  return head.nlmsg_type;
}

std::span<const std::uint8_t> Message::bytes(std::uint32_t sequence) {
  nlmsghdr head;
  std::memcpy(&head, bytes_.data(), sizeof(head));
  head.nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
  head.nlmsg_seq = sequence;
  std::memcpy(bytes_.data(), &head, sizeof(head));
  return bytes_;
}

Attributes attributes_of(std::span<const std::uint8_t> bytes) {
  Attributes found;
  while (bytes.size() >= sizeof(rtattr)) {
    rtattr head;
    std::memcpy(&head, bytes.data(), sizeof(head));
    if (head.rta_len < sizeof(rtattr) || head.rta_len > bytes.size()) break;
    const auto type = static_cast<std::uint16_t>(head.rta_type & NLA_TYPE_MASK);
    found[type] = bytes.subspan(RTA_LENGTH(0), head.rta_len - RTA_LENGTH(0));
    const std::size_t aligned = RTA_ALIGN(head.rta_len);
    bytes = aligned < bytes.size() ? bytes.subspan(aligned) : std::span<const std::uint8_t>{};
  }
  return found;
}

std::string text_in(const Attributes& attributes, std::uint16_t type) {
  const auto found = attributes.find(type);
  if (found == attributes.end()) return {};
  const auto* start = reinterpret_cast<const char*>(found->second.data());
  return std::string(start, ::strnlen(start, found->second.size()));
}

std::uint32_t number_in(const Attributes& attributes, std::uint16_t type) {
  const auto found = attributes.find(type);
  if (found == attributes.end() || found->second.size() < sizeof(std::uint32_t)) return 0;
  std::uint32_t value;
  std::memcpy(&value, found->second.data(), sizeof(value));
  return value;
}

Netlink::Netlink(pid_t pid)
    : fd_(checked("socket", pid == 0 ? open_socket() : open_socket_near(pid))), buffer_(kFirstBuffer) {
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  checked("bind", ::bind(fd_.get(), reinterpret_cast<sockaddr*>(&self), sizeof(self)));
}

void Netlink::send(Message& message) {
  const auto bytes = message.bytes(++sequence_);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  checked("sendto", ::sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
                             sizeof(kernel)));
}

// Looked at before taken: a datagram that did not fit would be cut, and its rest gone.
std::span<const std::uint8_t> Netlink::receive() {
  for (;;) {
    sockaddr_nl sender{};
    socklen_t length = sizeof(sender);
    const ssize_t waiting = ::recv(fd_.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC);
    if (waiting < 0 && errno == EINTR) continue;
    checked("recvfrom", waiting);
    if (static_cast<std::size_t>(waiting) > buffer_.size()) buffer_.resize(static_cast<std::size_t>(waiting));
    const ssize_t got = ::recvfrom(fd_.get(), buffer_.data(), buffer_.size(), 0,
                                   reinterpret_cast<sockaddr*>(&sender), &length);
    if (got < 0 && errno == EINTR) continue;
    checked("recvfrom", got);
    // Any local process may send to this socket; only the kernel is port 0.
    if (sender.nl_pid == 0) return {buffer_.data(), static_cast<std::size_t>(got)};
  }
}

struct Netlink::Reception {
  const char* call;
  const std::function<void(const Answer&)>& each;
  bool interrupted = false;
};

Netlink::Outcome Netlink::digest(Reception& reception, std::span<const std::uint8_t> datagram) const {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    nlmsghdr head;
    std::memcpy(&head, datagram.data(), sizeof(head));
    if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > datagram.size()) break;
    const auto payload = datagram.subspan(NLMSG_HDRLEN, head.nlmsg_len - NLMSG_HDRLEN);
    const std::size_t aligned = NLMSG_ALIGN(head.nlmsg_len);
    datagram = aligned < datagram.size() ? datagram.subspan(aligned) : std::span<const std::uint8_t>{};
    if (head.nlmsg_seq != sequence_) continue;
    if ((head.nlmsg_flags & NLM_F_DUMP_INTR) != 0) reception.interrupted = true;
    if (head.nlmsg_type == NLMSG_ERROR || head.nlmsg_type == NLMSG_DONE) {
      // Both begin with a negative errno: a dump that fails midway says so in its NLMSG_DONE.
      int error = 0;
      if (payload.size() >= sizeof(error)) std::memcpy(&error, payload.data(), sizeof(error));
      if (error < 0) throw Refusal{reception.call, -error};
      return Outcome::Complete;
    }
    if (reception.each) reception.each(Answer{head.nlmsg_type, payload});
  }
  return Outcome::More;
}

void Netlink::request(const char* call, Message& message, const std::function<void(const Answer&)>& each) {
  send(message);
  Reception reception{call, each};
  while (digest(reception, receive()) == Outcome::More) {
  }
}

bool Netlink::dump(const char* call, Message& message, const std::function<void(const Answer&)>& each) {
  try {
    send(message);
    Reception reception{call, each};
    while (digest(reception, receive()) == Outcome::More) {
    }
    return !reception.interrupted;
  } catch (const Refusal& refusal) {
    // ENOBUFS: datagrams were dropped. EINTR: how some kernels end a dump whose table changed under it.
    if (refusal.error == ENOBUFS || refusal.error == EINTR) return false;
    throw;
  }
}

}  // namespace tsdock
