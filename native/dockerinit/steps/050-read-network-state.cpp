// init.read-network-state: blocks until the daemon says that the veth is there, and how it is called.
#include "../steps.hpp"

namespace dockerinit {

// Docker 1.2.0 took end of file for "no state" and went on, so a daemon that died here left a container
// without network, cgroups or supervisor. Here only a frame counts; end of file ends init.
Status read_network_state(Init& init) {
  auto state = init.pipe.wait_for_network_state();
  if (!state) return state.failure();
  init.network = std::move(*state);
  init.note("veth_host", init.network.veth_host);
  init.note("veth_child", init.network.veth_child);
  if (!init.network.ns_path.empty()) init.note("ns_path", init.network.ns_path);
  return Done{};
}

}  // namespace dockerinit
