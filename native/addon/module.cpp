// The addon `ts_dock.node`: implements `Binding` of src/kernel/binding.ts, one file per concern.
//
// Contract: context-aware, so it loads in worker threads too; what only the main thread may do (clone) says
// so itself.

#include "values.hpp"

namespace {

Napi::Object initialize(Napi::Env, Napi::Object exports) {
  tsdock::offer_files(exports);
  tsdock::offer_nodes(exports);
  tsdock::offer_trees(exports);
  tsdock::offer_mounts(exports);
  tsdock::offer_trials(exports);
  tsdock::offer_processes(exports);
  tsdock::offer_watch(exports);
  tsdock::offer_sockets(exports);
  tsdock::offer_locks(exports);
  tsdock::offer_network(exports);
  tsdock::offer_terminals(exports);
  tsdock::offer_zstd(exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(ts_dock, initialize)
