// Links, addresses and routes: what `ip` would print and do, in one socket instead of one process each.
//
// Contract: a refusal by the kernel carries the message's name (RTM_NEWLINK...) as its call, since the system
// call itself (sendto, recvfrom) succeeded.

#include "../shared/netlink.hpp"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>

#include <array>
#include <cstdio>

#include "values.hpp"

namespace tsdock {

namespace {

constexpr int kMostDumps = 16;
constexpr std::uint16_t kAcknowledged = NLM_F_ACK;
constexpr std::uint16_t kNew = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
constexpr std::array kStates = {"unknown", "notpresent", "down", "lowerlayerdown",
                                "testing", "dormant",    "up"};
constexpr unsigned char kLocalV4Bits = 32;

ifinfomsg link_header(int index, unsigned flags = 0, unsigned change = 0) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  header.ifi_flags = flags;
  header.ifi_change = change;
  return header;
}

// --- texts
// ----------------------------------------------------------------------------------------------------------

std::string hardware_address(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    std::array<char, 4> part;
    std::snprintf(part.data(), part.size(), text.empty() ? "%02x" : ":%02x", byte);
    text += part.data();
  }
  return text;
}

std::vector<std::uint8_t> hardware_bytes(const Napi::Env& env, const std::string& text) {
  std::array<unsigned, 6> parts;
  int end = 0;
  const int found = std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &parts[0], &parts[1], &parts[2],
                                &parts[3], &parts[4], &parts[5], &end);
  if (found != 6 || text.size() != 17 || end != 17)
    throw Napi::TypeError::New(env, "no hardware address: " + text);
  return {parts.begin(), parts.end()};
}

std::string address_text(int family, const Attributes& attributes, std::uint16_t type) {
  const auto found = attributes.find(type);
  const std::size_t size = family == AF_INET ? 4 : 16;
  if (found == attributes.end() || found->second.size() < size) return {};
  std::array<char, INET6_ADDRSTRLEN> text;
  return ::inet_ntop(family, found->second.data(), text.data(), text.size()) == nullptr ? "" : text.data();
}

bool shown(int family) { return family == AF_INET || family == AF_INET6; }

const char* family_name(int family) { return family == AF_INET ? "inet" : "inet6"; }

// --- dumps
// ----------------------------------------------------------------------------------------------------------

using Rows = std::vector<Napi::Object>;

void read_link(const Napi::Env& env, const Answer& answer, Rows& rows) {
  ifinfomsg header;
  Attributes found;
  if (answer.type != RTM_NEWLINK || !answer.read(header, found)) return;
  const auto mac = found.find(IFLA_ADDRESS);
  const auto info = found.find(IFLA_LINKINFO);
  const auto state = found.find(IFLA_OPERSTATE);
  const std::size_t operstate = state == found.end() || state->second.empty() ? 0 : state->second[0];
  Napi::Object row = Napi::Object::New(env);
  row.Set("index", header.ifi_index);
  row.Set("name", text_in(found, IFLA_IFNAME));
  row.Set("kind", info == found.end() ? std::string() : text_in(attributes_of(info->second), IFLA_INFO_KIND));
  row.Set("mac", mac == found.end() ? std::string() : hardware_address(mac->second));
  row.Set("mtu", number_in(found, IFLA_MTU));
  row.Set("flags", header.ifi_flags);
  row.Set("operstate", kStates[operstate < kStates.size() ? operstate : 0]);
  row.Set("master", number_in(found, IFLA_MASTER));
  row.Set("peer", number_in(found, IFLA_LINK));
  row.Set("alias", text_in(found, IFLA_IFALIAS));
  rows.push_back(row);
}

void read_address(const Napi::Env& env, const Answer& answer, Rows& rows) {
  ifaddrmsg header;
  Attributes found;
  if (answer.type != RTM_NEWADDR || !answer.read(header, found) || !shown(header.ifa_family)) return;
  // On a point-to-point link IFA_ADDRESS is the other end.
  const std::uint16_t type = found.contains(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS;
  Napi::Object row = Napi::Object::New(env);
  row.Set("link", header.ifa_index);
  row.Set("family", family_name(header.ifa_family));
  row.Set("address", address_text(header.ifa_family, found, type));
  row.Set("prefix", header.ifa_prefixlen);
  rows.push_back(row);
}

void read_route(const Napi::Env& env, const Answer& answer, Rows& rows) {
  rtmsg header;
  Attributes found;
  if (answer.type != RTM_NEWROUTE || !answer.read(header, found) || !shown(header.rtm_family)) return;
  const std::uint32_t table = number_in(found, RTA_TABLE);
  Napi::Object row = Napi::Object::New(env);
  row.Set("family", family_name(header.rtm_family));
  row.Set("destination", header.rtm_dst_len == 0 ? "" : address_text(header.rtm_family, found, RTA_DST));
  row.Set("prefix", header.rtm_dst_len);
  row.Set("gateway", address_text(header.rtm_family, found, RTA_GATEWAY));
  row.Set("link", number_in(found, RTA_OIF));
  row.Set("table", table != 0 ? table : header.rtm_table);
  rows.push_back(row);
}

using Reader = void (*)(const Napi::Env&, const Answer&, Rows&);

template <typename Header>
Napi::Array dump(const Napi::Env& env, pid_t pid, const char* call, std::uint16_t type, Reader reader) {
  for (int attempt = 0; attempt < kMostDumps; ++attempt) {
    // A socket per attempt: what an interrupted dump left behind must not be taken for the next one's answer.
    Netlink netlink(pid);
    Rows rows;
    Message message(type, NLM_F_DUMP);
    message.header(Header{});
    if (!netlink.dump(call, message, [&](const Answer& answer) { reader(env, answer, rows); })) continue;
    Napi::Array array = Napi::Array::New(env, rows.size());
    for (std::uint32_t n = 0; n < rows.size(); ++n) array.Set(n, rows[n]);
    return array;
  }
  throw Refusal{call, EAGAIN};
}

Napi::Value dump_network(const Args& args) {
  const int pid = args.integer(0);
  if (pid < 0) throw Napi::TypeError::New(args.env(), "argument 1 must be a pid or 0");
  Napi::Object answer = Napi::Object::New(args.env());
  answer.Set("links", dump<ifinfomsg>(args.env(), pid, "RTM_GETLINK", RTM_GETLINK, read_link));
  answer.Set("addresses", dump<ifaddrmsg>(args.env(), pid, "RTM_GETADDR", RTM_GETADDR, read_address));
  answer.Set("routes", dump<rtmsg>(args.env(), pid, "RTM_GETROUTE", RTM_GETROUTE, read_route));
  return answer;
}

// --- changes
// --------------------------------------------------------------------------------------------------------

int index_of(Netlink& netlink, const std::string& name) {
  Message message(RTM_GETLINK, kAcknowledged);
  message.header(link_header(0)).text(IFLA_IFNAME, name);
  int index = 0;
  netlink.request("RTM_GETLINK", message, [&](const Answer& answer) {
    ifinfomsg header;
    Attributes found;
    if (answer.read(header, found)) index = header.ifi_index;
  });
  return index;
}

void delete_link(Netlink& netlink, int index) {
  Message message(RTM_DELLINK, kAcknowledged);
  message.header(link_header(index));
  netlink.request("RTM_DELLINK", message);
}

void set_alias(Netlink& netlink, int index, const std::string& alias) {
  Message message(RTM_SETLINK, kAcknowledged);
  message.header(link_header(index)).text(IFLA_IFALIAS, alias);
  netlink.request("RTM_SETLINK", message);
}

Napi::Value create_bridge(const Args& args) {
  const std::string name = args.text(0);
  Message message(RTM_NEWLINK, kNew);
  message.header(link_header(0)).text(IFLA_IFNAME, name);
  message.attribute(IFLA_ADDRESS, hardware_bytes(args.env(), args.text(1)));
  message.nest(IFLA_LINKINFO, [](Message& info) { info.text(IFLA_INFO_KIND, "bridge"); });
  Netlink netlink;
  netlink.request("RTM_NEWLINK", message);
  return number(args, index_of(netlink, name));
}

struct VethRequest {
  std::string name;
  std::string peer;
  std::uint32_t peer_pid;
  std::uint32_t master;
  std::uint32_t mtu;
  std::string alias;
};

VethRequest veth_request(const Napi::Value& value) {
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), "vethCreate takes a request object");
  const Napi::Object given = value.As<Napi::Object>();
  const auto positive = [&](const char* what) {
    return static_cast<std::uint32_t>(integer_of(given.Get(what), what, 1, INT32_MAX));
  };
  return {text_of(given.Get("name"), "name"),
          text_of(given.Get("peer"), "peer"),
          positive("peerPid"),
          positive("master"),
          positive("mtu"),
          text_of(given.Get("alias"), "alias")};
}

// One message: at no time does a link lie in the wrong namespace or outside its bridge, so a kill between two
// messages cannot leave an eth0 on the host.
void create_veth(Netlink& netlink, const VethRequest& veth) {
  Message message(RTM_NEWLINK, kNew);
  message.header(link_header(0, IFF_UP, IFF_UP)).text(IFLA_IFNAME, veth.name);
  message.number(IFLA_MTU, veth.mtu).number(IFLA_MASTER, veth.master);
  message.nest(IFLA_LINKINFO, [&](Message& info) {
    info.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, [&](Message& data) {
      data.nest(VETH_INFO_PEER, [&](Message& peer) {
        peer.header(link_header(0)).text(IFLA_IFNAME, veth.peer);
        peer.number(IFLA_MTU, veth.mtu).number(IFLA_NET_NS_PID, veth.peer_pid);
      });
    });
  });
  netlink.request("RTM_NEWLINK", message);
}

Napi::Value make_veth(const Args& args) {
  const VethRequest veth = veth_request(args.value(0));
  Netlink netlink;
  create_veth(netlink, veth);
  const int index = index_of(netlink, veth.name);
  try {
    set_alias(netlink, index, veth.alias);
  } catch (const Refusal&) {
    // Without its alias the undo would take it for somebody else's and leave it.
    delete_link(netlink, index);
    throw;
  }
  return number(args, index);
}

Napi::Value set_up(const Args& args) {
  Message message(RTM_SETLINK, kAcknowledged);
  message.header(link_header(args.integer(0), args.flag(1) ? IFF_UP : 0, IFF_UP));
  Netlink().request("RTM_SETLINK", message);
  return done(args);
}

Napi::Value name_alias(const Args& args) {
  Netlink netlink;
  set_alias(netlink, args.integer(0), args.text(1));
  return done(args);
}

Napi::Value remove_link(const Args& args) {
  Netlink netlink;
  delete_link(netlink, args.integer(0));
  return done(args);
}

void put_v4(Message& message, std::uint32_t address, int prefix) {
  const auto raw = [](const std::uint32_t& value) {
    return std::span(reinterpret_cast<const std::uint8_t*>(&value), sizeof(value));
  };
  message.attribute(IFA_LOCAL, raw(address)).attribute(IFA_ADDRESS, raw(address));
  // The kernel sets no broadcast address of its own accord, as `ip addr add` does only with `brd +`.
  if (prefix > kLocalV4Bits - 2) return;
  const std::uint32_t hosts = prefix == 0 ? ~0U : (1U << (kLocalV4Bits - prefix)) - 1;
  const std::uint32_t broadcast = address | htonl(hosts);
  message.attribute(IFA_BROADCAST, raw(broadcast));
}

Napi::Value add_address(const Args& args) {
  const int index = args.integer(0);
  const std::string text = args.text(1);
  const int family = text.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const int prefix =
      static_cast<int>(integer_of(args.value(2), "argument 3", 0, family == AF_INET ? 32 : 128));
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(family, text.c_str(), bytes.data()) != 1)
    throw Napi::TypeError::New(args.env(), "no address: " + text);
  ifaddrmsg header{};
  header.ifa_family = static_cast<unsigned char>(family);
  header.ifa_prefixlen = static_cast<unsigned char>(prefix);
  header.ifa_index = static_cast<unsigned>(index);
  Message message(RTM_NEWADDR, kNew);
  message.header(header);
  if (family == AF_INET) {
    std::uint32_t address;
    std::memcpy(&address, bytes.data(), sizeof(address));
    put_v4(message, address, prefix);
  } else {
    message.attribute(IFA_LOCAL, bytes).attribute(IFA_ADDRESS, bytes);
  }
  Netlink().request("RTM_NEWADDR", message);
  return done(args);
}

}  // namespace

void offer_network(Napi::Object& exports) {
  offer<dump_network>(exports, "network");
  offer<create_bridge>(exports, "bridgeCreate");
  offer<make_veth>(exports, "vethCreate");
  offer<set_up>(exports, "linkUp");
  offer<name_alias>(exports, "linkAlias");
  offer<remove_link>(exports, "linkDelete");
  offer<add_address>(exports, "addressAdd");
}

}  // namespace tsdock
