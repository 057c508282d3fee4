// The few rtnetlink requests that a container's network needs, each acknowledged by the kernel and recorded.
#pragma once

#include <cstdint>
#include <string>

#include "kernel.hpp"

namespace dockerinit {

struct Ipv4 {
  uint32_t address = 0;  // network byte order
  unsigned prefix = 32;
};

// `a.b.c.d/len`, or without a length a host's address.
Result<Ipv4> parse_ipv4(const std::string& text);

class Netlink {
 public:
  static Result<Netlink> open(Kernel& kernel);

  Result<int> link_index(const std::string& name);
  Status rename(int link, const std::string& name);
  Status set_mtu(int link, unsigned mtu);
  Status set_up(int link, const std::string& name);
  Status add_address(int link, const std::string& text);
  Status add_default_route(int link, const std::string& gateway);

 private:
  Netlink(Kernel& kernel, Fd fd) : kernel_(&kernel), fd_(std::move(fd)) {}
  class Request;
  Status ask(Request& request, std::string shown);
  int exchange(Request& request);

  Kernel* kernel_;
  Fd fd_;
};

}  // namespace dockerinit
