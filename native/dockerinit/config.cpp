// See config.hpp. The reader below throws internally; nothing thrown leaves this file.
#include "config.hpp"

#include <cmath>
#define JSON_NO_IO
#include <nlohmann/json.hpp>

#include "capabilities.hpp"

namespace dockerinit {
namespace {

using nlohmann::json;

struct Mismatch {
  std::string where;
  std::string what;
};

// A JSON object from which every key must be taken exactly as the contract has it; what is left over is
// refused.
class Object {
 public:
  Object(const json& value, std::string where) : value_(value), where_(std::move(where)) {
    if (!value.is_object()) throw Mismatch{where_, "must be an object"};
  }

  const json& any(const char* key) {
    const auto found = value_.find(key);
    if (found == value_.end()) throw Mismatch{path(key), "is missing"};
    ++taken_;
    return *found;
  }
  std::string text(const char* key) { return word(any(key), path(key)); }
  bool flag(const char* key) {
    const json& value = any(key);
    if (!value.is_boolean()) throw Mismatch{path(key), "must be true or false"};
    return value.get<bool>();
  }
  uint64_t number(const char* key, uint64_t max) {
    const json& value = any(key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() > max) {
      throw Mismatch{path(key), "must be an integer from 0 to " + std::to_string(max)};
    }
    return value.get<uint64_t>();
  }
  int integer(const char* key, int min, int max) {
    const json& value = any(key);
    if (!value.is_number_integer() || value.get<int64_t>() < min || value.get<int64_t>() > max) {
      throw Mismatch{path(key),
                     "must be an integer from " + std::to_string(min) + " to " + std::to_string(max)};
    }
    return value.get<int>();
  }
  Object object(const char* key) { return Object(any(key), path(key)); }

  template <class Read>
  auto list(const char* key, Read read) {
    const json& value = any(key);
    if (!value.is_array()) throw Mismatch{path(key), "must be an array"};
    std::vector<decltype(read(value, std::string()))> items;
    for (size_t i = 0; i < value.size(); ++i)
      items.push_back(read(value[i], path(key) + "/" + std::to_string(i)));
    return items;
  }

  // To be called last: a key that nobody asked for is a word we do not understand.
  void end() const {
    if (value_.size() != taken_) throw Mismatch{where_, "has keys that dockerinit does not know"};
  }

  // A NUL would end a path or a variable early for the kernel: what was checked would not be what is used.
  static std::string word(const json& value, const std::string& where) {
    if (!value.is_string()) throw Mismatch{where, "must be a string"};
    const auto& text = value.get_ref<const std::string&>();
    if (text.find('\0') != std::string::npos) throw Mismatch{where, "must not contain NUL"};
    return text;
  }

  std::string path(const char* key) const { return where_ + "/" + key; }

 private:
  const json& value_;
  std::string where_;
  size_t taken_ = 0;
};

BindMount read_mount(const json& value, const std::string& where) {
  Object object(value, where);
  if (object.text("type") != "bind") throw Mismatch{where + "/type", "must be 'bind'"};
  BindMount mount{object.text("source"), object.text("destination"), object.flag("writable")};
  // Everything is private here anyway (init.mount-private); the word is Docker's.
  object.flag("private");
  object.end();
  if (!mount.source.starts_with('/')) throw Mismatch{where + "/source", "must be absolute"};
  if (!mount.destination.starts_with('/')) throw Mismatch{where + "/destination", "must be absolute"};
  return mount;
}

DeviceNode read_device(const json& value, const std::string& where) {
  Object object(value, where);
  const uint64_t type = object.number("type", 127);
  if (type != 'b' && type != 'c') throw Mismatch{where + "/type", "must be 98 or 99"};
  DeviceNode node{type == 'b', object.text("path"),
                  static_cast<unsigned>(object.number("major_number", 0xfff)),
                  static_cast<unsigned>(object.number("minor_number", 0xfffff)),
                  static_cast<unsigned>(object.number("file_mode", 07777))};
  object.text("cgroup_permissions");
  object.end();
  return node;
}

Network read_network(const json& value, const std::string& where) {
  Object object(value, where);
  const std::string type = object.text("type");
  if (type != "loopback" && type != "veth") throw Mismatch{where + "/type", "must be 'loopback' or 'veth'"};
  Network network{type == "veth", object.text("address"), object.text("gateway"),
                  static_cast<unsigned>(object.number("mtu", 65536))};
  if (network.veth) {
    object.text("bridge");
    object.text("veth_prefix");
  }
  object.end();
  return network;
}

// "Unlimited" is 2^64-1 in the OCI specification, which JavaScript can only write as a rounded float, or -1.
uint64_t read_limit(const json& value, const std::string& where) {
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  if (value.is_number_integer() && value.get<int64_t>() == -1) return UINT64_MAX;
  if (value.is_number_float() && value.get<double>() >= 9.2e18) return UINT64_MAX;
  throw Mismatch{where, "must be an integer"};
}

Rlimit read_rlimit(const json& value, const std::string& where) {
  Object object(value, where);
  Rlimit limit{object.text("type"), read_limit(object.any("soft"), where + "/soft"),
               read_limit(object.any("hard"), where + "/hard")};
  object.end();
  return limit;
}

// An allow list. A name that nobody knows is refused: misspelt, it would silently not be kept.
uint64_t read_capability(const json& value, const std::string& where) {
  const auto number = capability(Object::word(value, where));
  if (!number) throw Mismatch{where, "is no known capability"};
  return uint64_t{1} << *number;
}

void read_mount_config(Object object, Config& config) {
  config.mounts = object.list("mounts", read_mount);
  config.devices = object.list("device_nodes", read_device);
  config.readonly_fs = object.flag("readonly_fs");
  config.mount_label = object.text("mount_label");
  object.end();
}

void read_namespaces(Object object, Config& config) {
  for (const char* key : {"NEWNS", "NEWUTS", "NEWIPC", "NEWPID"}) object.flag(key);
  config.new_net = object.flag("NEWNET");
  object.end();
}

void read_today(Object object, Config& config) {
  config.masked_paths = object.list("masked_paths", Object::word);
  config.readonly_paths = object.list("readonly_paths", Object::word);
  config.rlimits = object.list("rlimits", read_rlimit);
  config.shm_size = object.number("shm_size", INT64_MAX);
  // A tmpfs of size 0 is one without a limit.
  if (config.shm_size == 0) throw Mismatch{object.path("shm_size"), "must be positive"};
  config.seccomp = object.flag("seccomp");
  config.oom_score_adj = object.integer("oom_score_adj", -1000, 1000);
  config.console_rows = static_cast<uint16_t>(object.number("console_rows", UINT16_MAX));
  config.console_columns = static_cast<uint16_t>(object.number("console_columns", UINT16_MAX));
  config.init = object.flag("init");
  object.end();
}

Config read_config(const json& value) {
  Config config;
  Object root(value, "");
  read_mount_config(root.object("mount_config"), config);
  config.hostname = root.text("hostname");
  config.user = root.text("user");
  config.working_dir = root.text("working_dir");
  config.environment = root.list("environment", Object::word);
  read_namespaces(root.object("namespaces"), config);
  for (const uint64_t bit : root.list("capabilities", read_capability)) config.capabilities |= bit;
  config.networks = root.list("networks", read_network);
  config.tty = root.flag("tty");
  config.apparmor_profile = root.text("apparmor_profile");
  config.process_label = root.text("process_label");
  config.restrict_sys = root.flag("restrict_sys");
  read_today(root.object("today"), config);
  root.end();
  return config;
}

}  // namespace

Result<Config> parse_config(std::string_view text) {
  const json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return refuse("", {}, 0, "container.json is not JSON");
  try {
    return read_config(value);
  } catch (const Mismatch& mismatch) {
    return refuse("", {}, 0, "container.json: " + mismatch.where + " " + mismatch.what);
  }
}

}  // namespace dockerinit
