// init.dev-symlinks: the links in /dev that programs expect.
#include <fcntl.h>
#include <unistd.h>

#include "../steps.hpp"

namespace dockerinit {

// Relative to the descriptor of the fresh tmpfs, like the devices and for the same reason. What the links
// point to is looked up by the container, inside.
Status dev_symlinks(Init& init, const SystemMounts& mounts) {
  struct Link {
    const char* target;
    const char* name;
  };
  constexpr Link kLinks[] = {{"/proc/self/fd", "fd"},
                             {"/proc/self/fd/0", "stdin"},
                             {"/proc/self/fd/1", "stdout"},
                             {"/proc/self/fd/2", "stderr"}};
  for (const Link& link : kLinks) {
    auto made = init.kernel.symlinkat(link.target, mounts.dev(), link.name);
    if (!made) return made.because(std::string("cannot make /dev/") + link.name);
  }
  const bool kcore = faccessat(mounts.proc(), "kcore", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  init.note("kcore", kcore);
  if (!kcore) return Done{};
  return init.kernel.symlinkat("/proc/kcore", mounts.dev(), "kcore");
}

}  // namespace dockerinit
