// init.network: the loopback up; the veth's end becomes eth0 with address, mtu and default route.
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>

#include "../netlink.hpp"
#include "../steps.hpp"

namespace dockerinit {
namespace {

Status loopback_up(Netlink& netlink) {
  auto lo = netlink.link_index("lo");
  if (!lo) return lo.because("no loopback in this network namespace");
  return netlink.set_up(*lo, "lo");
}

// The order is Docker's and the kernel's: a link is renamed while it is down, and a route via a gateway is
// only accepted when the address that reaches it is there and the link is up.
Status eth0_up(Init& init, Netlink& netlink, const Network& network) {
  auto link = netlink.link_index(init.network.veth_child);
  if (!link) return link.because("the veth that the daemon announced is not in this namespace");
  if (init.network.veth_child != "eth0") {
    if (auto done = netlink.rename(*link, "eth0"); !done)
      return done.because("cannot rename the veth to eth0");
  }
  if (auto done = netlink.add_address(*link, network.address); !done) return done;
  if (auto done = netlink.set_mtu(*link, network.mtu); !done)
    return done.because("cannot set the mtu of eth0");
  if (auto done = netlink.set_up(*link, "eth0"); !done) return done;
  if (auto done = netlink.add_default_route(*link, network.gateway); !done) {
    return done.because("cannot route through " + network.gateway);
  }
  init.note("eth0", network.address);
  init.note("gateway", network.gateway);
  return Done{};
}

// `--net container:X`: another container's namespace instead of a new one. setns itself refuses a descriptor
// that is no network namespace.
Status join_other(Init& init) {
  if (init.network.ns_path.empty()) {
    init.note("network", "the namespace of the caller: nothing to set up");
    return Done{};
  }
  auto other = init.kernel.openat2(AT_FDCWD, init.network.ns_path, O_RDONLY, 0, 0);
  if (!other) return other.because("cannot open the network namespace to join");
  return init.kernel.setns(other->get(), CLONE_NEWNET, "CLONE_NEWNET");
}

}  // namespace

Status network(Init& init) {
  // Without a namespace of our own every link here is the host's.
  if (!init.config.new_net) return join_other(init);
  auto netlink = Netlink::open(init.kernel);
  if (!netlink) return netlink.failure();
  for (const Network& each : init.config.networks) {
    auto done = each.veth ? eth0_up(init, *netlink, each) : loopback_up(*netlink);
    if (!done) return done;
  }
  return Done{};
}

}  // namespace dockerinit
