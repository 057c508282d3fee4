// init.reopen-null: any of 0, 1, 2 that is the host's /dev/null becomes the container's.
#include <fcntl.h>

#include "../beneath.hpp"
#include "../steps.hpp"

namespace dockerinit {

// Moved: Docker 1.2.0 did this before the pivot, opening /dev/null below the rootfs by path. An image with
// `dev/null -> /any/host/file` got a descriptor of that host file (CVE-2015-3627). After the pivot a link can
// only lead to what is inside, and the device numbers are looked at before it is opened.
Status reopen_null(Init& init, const Jailed&, const SystemMounts& mounts) {
  Fd null;
  int64_t replaced = 0;
  for (int fd = 0; fd <= 2; ++fd) {
    if (!is_null(fd)) continue;
    if (null.get() < 0) {
      auto found = open_null(init.kernel);
      if (!found) return found.failure();
      auto opened = init.kernel.openat2(mounts.proc(), "self/fd/" + std::to_string(found->get()),
                                        O_RDWR | O_NOCTTY, 0, 0);
      if (!opened) return opened.because("cannot open the container's /dev/null");
      null = std::move(*opened);
    }
    if (auto done = init.kernel.dup3(null.get(), fd); !done) return done;
    ++replaced;
  }
  init.note("replaced", replaced);
  return Done{};
}

}  // namespace dockerinit
