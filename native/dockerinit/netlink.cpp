// See netlink.hpp.
#include "netlink.hpp"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace dockerinit {

// One message in a fixed buffer; what would not fit is a bug, and names are checked before they come here.
class Netlink::Request {
 public:
  template <class Body>
  Request(uint16_t type, uint16_t flags, const Body& body) {
    header()->nlmsg_type = type;
    header()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    header()->nlmsg_seq = 1;
    memcpy(NLMSG_DATA(header()), &body, sizeof body);
    header()->nlmsg_len = NLMSG_LENGTH(sizeof body);
  }

  void add(uint16_t type, const void* value, size_t size) {
    const size_t at = NLMSG_ALIGN(header()->nlmsg_len);
    auto* attribute = reinterpret_cast<rtattr*>(buffer_ + at);
    attribute->rta_type = type;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
    memcpy(RTA_DATA(attribute), value, size);
    header()->nlmsg_len = static_cast<uint32_t>(at + RTA_ALIGN(attribute->rta_len));
  }

  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_); }

 private:
  alignas(nlmsghdr) char buffer_[512] = {};
};

Result<Ipv4> parse_ipv4(const std::string& text) {
  Ipv4 parsed;
  const size_t slash = text.find('/');
  if (slash != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto number = std::from_chars(text.data() + slash + 1, end, parsed.prefix);
    if (number.ec != std::errc() || number.ptr != end || parsed.prefix > 32) parsed.prefix = 33;
  }
  if (parsed.prefix > 32 || inet_pton(AF_INET, text.substr(0, slash).c_str(), &parsed.address) != 1) {
    return refuse("", {}, EINVAL, "not an IPv4 address: '" + text + "'");
  }
  return parsed;
}

Result<Netlink> Netlink::open(Kernel& kernel) {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (fd.get() < 0) {
    return refuse("socket", {"AF_NETLINK", "SOCK_RAW|SOCK_CLOEXEC", "NETLINK_ROUTE"}, errno,
                  "no rtnetlink socket");
  }
  return Netlink(kernel, std::move(fd));
}

// Sends and reads the acknowledgement; the positive errno in it, 0 for success.
int Netlink::exchange(Request& request) {
  if (send(fd_.get(), request.header(), request.header()->nlmsg_len, 0) < 0) return errno;
  alignas(nlmsghdr) char reply[4096];
  const ssize_t got = recv(fd_.get(), reply, sizeof reply, 0);
  if (got < 0) return errno;
  const auto* header = reinterpret_cast<const nlmsghdr*>(reply);
  if (!NLMSG_OK(header, static_cast<uint32_t>(got)) || header->nlmsg_type != NLMSG_ERROR) return EPROTO;
  return -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
}

Status Netlink::ask(Request& request, std::string shown) {
  const int64_t start = now();
  const int error = exchange(request);
  kernel_->note_netlink(fd_.get(), shown, error, start);
  if (error != 0) return refuse("sendto", {std::to_string(fd_.get()), std::move(shown)}, error, "");
  return Done{};
}

Result<int> Netlink::link_index(const std::string& name) {
  ifreq request{};
  if (name.empty() || name.size() >= sizeof request.ifr_name) {
    return refuse("", {}, EINVAL, "not a link's name: '" + name + "'");
  }
  memcpy(request.ifr_name, name.c_str(), name.size() + 1);
  // A netlink socket has no device ioctls; any internet socket of this namespace has.
  const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  auto asked = kernel_->ioctl(fd.get(), SIOCGIFINDEX, "SIOCGIFINDEX",
                              reinterpret_cast<unsigned long>(&request), "{ifr_name=\"" + name + "\"}");
  if (!asked) return asked.failure();
  return request.ifr_ifindex;
}

Status Netlink::rename(int link, const std::string& name) {
  ifinfomsg body{};
  body.ifi_index = link;
  Request request(RTM_NEWLINK, 0, body);
  request.add(IFLA_IFNAME, name.c_str(), name.size() + 1);
  return ask(request, "RTM_NEWLINK {index=" + std::to_string(link) + ", IFLA_IFNAME=\"" + name + "\"}");
}

Status Netlink::set_mtu(int link, unsigned mtu) {
  ifinfomsg body{};
  body.ifi_index = link;
  Request request(RTM_NEWLINK, 0, body);
  request.add(IFLA_MTU, &mtu, sizeof mtu);
  return ask(request,
             "RTM_NEWLINK {index=" + std::to_string(link) + ", IFLA_MTU=" + std::to_string(mtu) + "}");
}

Status Netlink::set_up(int link, const std::string& name) {
  ifinfomsg body{};
  body.ifi_index = link;
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  Request request(RTM_NEWLINK, 0, body);
  return ask(request, "RTM_NEWLINK {index=" + std::to_string(link) + " (" + name + "), IFF_UP}");
}

Status Netlink::add_address(int link, const std::string& text) {
  auto address = parse_ipv4(text);
  if (!address) return address.failure();
  ifaddrmsg body{};
  body.ifa_family = AF_INET;
  body.ifa_prefixlen = static_cast<uint8_t>(address->prefix);
  body.ifa_index = static_cast<uint32_t>(link);
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body);
  request.add(IFA_LOCAL, &address->address, sizeof address->address);
  request.add(IFA_ADDRESS, &address->address, sizeof address->address);
  std::string shown = "RTM_NEWADDR {index=" + std::to_string(link) + ", IFA_LOCAL=" + text;
  // A network of one or two addresses has none to spare for a broadcast.
  if (address->prefix < 31) {
    const uint32_t broadcast =
        address->address | htonl(static_cast<uint32_t>((uint64_t{1} << (32 - address->prefix)) - 1));
    request.add(IFA_BROADCAST, &broadcast, sizeof broadcast);
    char word[INET_ADDRSTRLEN];
    shown += std::string(", IFA_BROADCAST=") + inet_ntop(AF_INET, &broadcast, word, sizeof word);
  }
  return ask(request, shown + "}");
}

Status Netlink::add_default_route(int link, const std::string& gateway) {
  auto address = parse_ipv4(gateway);
  if (!address) return address.failure();
  rtmsg body{};
  body.rtm_family = AF_INET;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_BOOT;
  body.rtm_scope = RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, body);
  request.add(RTA_GATEWAY, &address->address, sizeof address->address);
  request.add(RTA_OIF, &link, sizeof link);
  return ask(request, "RTM_NEWROUTE {default via " + gateway + ", RTA_OIF=" + std::to_string(link) + "}");
}

}  // namespace dockerinit
