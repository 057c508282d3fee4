// rtnetlink without `ip`: messages out, acknowledgements and dumps in.
//
// Contract: a Message refuses an attribute that its 16-bit length cannot hold instead of letting it wrap
// (CVE-2021-43784: the rest would be read as further attributes). A request returns when the kernel
// acknowledged it. A dump is either consistent or repeated. Answers that do not come from the kernel are
// ignored. Throws Refusal.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/types.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "fd.hpp"

namespace tsdock {

class Message {
 public:
  Message(std::uint16_t type, std::uint16_t flags);

  template <typename Header>
  Message& header(const Header& value) {
    static_assert(std::is_trivially_copyable_v<Header>);
    append({reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)});
    return *this;
  }
  Message& attribute(std::uint16_t type, std::span<const std::uint8_t> payload);
  Message& text(std::uint16_t type, std::string_view value);
  Message& number(std::uint16_t type, std::uint32_t value);
  // What `fill` adds lies inside the attribute.
  Message& nest(std::uint16_t type, const std::function<void(Message&)>& fill);

  std::uint16_t type() const;
  // The finished bytes, with their length and `sequence` filled in.
  std::span<const std::uint8_t> bytes(std::uint32_t sequence);

 private:
  void append(std::span<const std::uint8_t> bytes);

  std::vector<std::uint8_t> bytes_;
};

// The attributes of one received message, by type; payloads point into the receive buffer.
using Attributes = std::map<std::uint16_t, std::span<const std::uint8_t>>;

Attributes attributes_of(std::span<const std::uint8_t> bytes);
std::string text_in(const Attributes& attributes, std::uint16_t type);
std::uint32_t number_in(const Attributes& attributes, std::uint16_t type);

struct Answer {
  std::uint16_t type;
  std::span<const std::uint8_t> payload;

  template <typename Header>
  bool read(Header& header, Attributes& attributes) const {
    constexpr std::size_t aligned = NLMSG_ALIGN(sizeof(Header));
    if (payload.size() < sizeof(Header)) return false;
    std::memcpy(&header, payload.data(), sizeof(Header));
    attributes = payload.size() > aligned ? attributes_of(payload.subspan(aligned)) : Attributes{};
    return true;
  }
};

class Netlink {
 public:
  // A socket of the network namespace that process `pid` is in, 0 for the caller's own.
  explicit Netlink(pid_t pid = 0);

  // `call` is the name that a refusal carries. `each` sees what comes before the acknowledgement.
  void request(const char* call, Message& message, const std::function<void(const Answer&)>& each = {});
  // False: the kernel's tables changed or answers were lost, and what `each` saw is not a snapshot.
  bool dump(const char* call, Message& message, const std::function<void(const Answer&)>& each);

 private:
  enum class Outcome { More, Complete };
  struct Reception;

  void send(Message& message);
  std::span<const std::uint8_t> receive();
  Outcome digest(Reception& reception, std::span<const std::uint8_t> datagram) const;

  Fd fd_;
  std::uint32_t sequence_ = 0;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace tsdock
