// init.devices: the device nodes of the container, made in the tmpfs that init.system-mounts mounted.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../beneath.hpp"
#include "../steps.hpp"

namespace dockerinit {
namespace {

constexpr std::string_view kDev = "/dev/";

mode_t type_of(const DeviceNode& node) { return node.block ? S_IFBLK : S_IFCHR; }

// A volume may have put something at that name. It is fine if it is that very device, and refused otherwise.
Status already_there(int dir, const std::string& name, const DeviceNode& node) {
  struct stat file {};
  const bool same = fstatat(dir, name.c_str(), &file, AT_SYMLINK_NOFOLLOW) == 0 &&
                    (file.st_mode & S_IFMT) == type_of(node) &&
                    file.st_rdev == makedev(node.major, node.minor);
  if (same) return Done{};
  return refuse("mknodat", {std::to_string(dir), name}, EEXIST,
                node.path + " is there already and is something else");
}

// The directory in /dev that the node goes into: /dev itself, or for /dev/net/tun a new one.
Result<Fd> parent(Init& init, int dev, std::string& name) {
  Result<Fd> dir = init.kernel.openat2(dev, ".", O_PATH | O_DIRECTORY, 0, 0);
  for (size_t slash = name.find('/'); dir && slash != std::string::npos; slash = name.find('/')) {
    dir = ordinary_directory(init.kernel, dir->get(), name.substr(0, slash));
    name.erase(0, slash + 1);
  }
  return dir;
}

Status make_node(Init& init, int dir, const std::string& name, const DeviceNode& node) {
  auto made = init.kernel.mknodat(dir, name, type_of(node) | node.mode, node.major, node.minor);
  if (made) return made;
  if (made.error() == EEXIST) return already_there(dir, name, node);
  return made.because("cannot make " + node.path);
}

// By descriptor, because `dev -> ../outside` in an image once sent these nodes, and before the pivot at that,
// into the host's tree (CVE-2026-41579).
Status device(Init& init, int dev, const DeviceNode& node) {
  const bool inside = node.path.starts_with(kDev) && node.path.size() > kDev.size() &&
                      !node.path.ends_with('/') && (node.path + "/").find("/../") == std::string::npos;
  if (!inside) return refuse("", {}, EINVAL, "devices are made in /dev only, not at " + node.path);
  std::string name = node.path.substr(kDev.size());
  if (name.find('/') == std::string::npos) return make_node(init, dev, name, node);
  auto dir = parent(init, dev, name);
  if (!dir) return dir.failure();
  return make_node(init, dir->get(), name, node);
}

}  // namespace

Status devices(Init& init, const SystemMounts& mounts) {
  // mknod would take the umask from the modes (0666 must be 0666); init.umask sets the container's later.
  init.kernel.umask(0);
  for (const DeviceNode& node : init.config.devices) {
    if (auto done = device(init, mounts.dev(), node); !done) return done;
  }
  init.note("devices", static_cast<int64_t>(init.config.devices.size()));
  return Done{};
}

}  // namespace dockerinit
