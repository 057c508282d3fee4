// init.mount-private: whatever is mounted from here on stays in this mount namespace.
#include <fcntl.h>
#include <sys/mount.h>

#include "../read-file.hpp"
#include "../steps.hpp"

namespace dockerinit {

// The new namespace is a copy of the host's mounts, and copies of shared mounts stay in their peer group:
// without this, every mount below would appear on the host, and the final umount would take the host's tree
// down with it.
Result<PrivateMounts> mount_private(Init& init) {
  constexpr size_t kMax = 64 << 20;
  auto made = init.kernel.mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr);
  if (!made) return made.because("cannot make the mounts private");
  auto file = init.kernel.openat2(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY, 0, 0);
  if (!file) return file.because("cannot verify that nothing is shared");
  auto text = read_all(*file, kMax);
  if (!text) return text.failure();
  // The kernel escapes blanks in names, so this word stands only where it means propagation.
  if (text->find(" shared:") != std::string::npos) {
    return refuse("", {}, EBUSY, "a mount is still shared with the host");
  }
  init.note("shared", false);
  return PrivateMounts{};
}

}  // namespace dockerinit
