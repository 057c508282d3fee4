// container.json as dockerinit understands it (the contract is src/daemon/init-config.ts), parsed once into
// checked types. The file is trusted, yet read strictly: a key that is unknown or missing is refused, for a
// protection that is silently ignored because it was misspelt is worse than no start.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "result.hpp"

namespace dockerinit {

struct BindMount {
  std::string source;
  std::string destination;
  bool writable;
};

struct DeviceNode {
  bool block;
  std::string path;
  unsigned major;
  unsigned minor;
  unsigned mode;
};

struct Network {
  bool veth;
  std::string address;
  std::string gateway;
  unsigned mtu;
};

struct Rlimit {
  std::string type;
  uint64_t soft;
  uint64_t hard;
};

struct Config {
  std::vector<BindMount> mounts;
  std::vector<DeviceNode> devices;
  bool readonly_fs = false;
  std::string mount_label;
  std::string hostname;
  std::string user;
  std::string working_dir;
  std::vector<std::string> environment;
  bool new_net = false;
  // A bit for each capability to keep.
  uint64_t capabilities = 0;
  std::vector<Network> networks;
  bool tty = false;
  std::string apparmor_profile;
  std::string process_label;
  bool restrict_sys = false;
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  std::vector<Rlimit> rlimits;
  uint64_t shm_size = 0;
  bool seccomp = false;
  // 0: left as it is inherited.
  int oom_score_adj = 0;
  // Of the terminal; 0: not known.
  uint16_t console_rows = 0;
  uint16_t console_columns = 0;
  // dockerinit stays as process 1 and reaps.
  bool init = false;
};

Result<Config> parse_config(std::string_view text);

}  // namespace dockerinit
