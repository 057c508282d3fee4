// See terminal.hpp.
#include "terminal.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace dockerinit {
namespace {

bool is_device(int fd, unsigned first_major, unsigned last_major) {
  struct stat file {};
  if (fstat(fd, &file) != 0 || !S_ISCHR(file.st_mode)) return false;
  return major(file.st_rdev) >= first_major && major(file.st_rdev) <= last_major;
}

}  // namespace

// The peer is asked of the master. Opening /dev/pts/N by its path instead would open whatever the image or a
// volume put there, and the console would be bound onto that (CVE-2025-52565).
Result<Terminal> new_terminal(Init& init, int pts) {
  auto master = init.kernel.openat2(pts, "ptmx", O_RDWR | O_NOCTTY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (!master) return master.because("cannot open a terminal in the container's devpts");
  if (!is_device(master->get(), 5, 5))
    return refuse("fstat", {"ptmx"}, ENODEV, "pts/ptmx is not the pty multiplexer");
  int unlocked = 0;
  auto unlock = init.kernel.ioctl(master->get(), TIOCSPTLCK, "TIOCSPTLCK",
                                  reinterpret_cast<unsigned long>(&unlocked), "[0]");
  if (!unlock) return unlock.failure();
  auto peer = init.kernel.ioctl(master->get(), TIOCGPTPEER, "TIOCGPTPEER", O_RDWR | O_NOCTTY | O_CLOEXEC,
                                "O_RDWR|O_NOCTTY|O_CLOEXEC");
  if (!peer) return peer.because("the kernel does not hand out the other end of the terminal");
  Fd end(*peer);
  // Unix98 terminals have the majors 136 to 143.
  if (!is_device(end.get(), 136, 143))
    return refuse("fstat", {"TIOCGPTPEER"}, ENODEV, "the peer is not a pty");
  return Terminal{std::move(*master), std::move(end)};
}

Status take_terminal(Init& init, int peer) {
  for (int fd = 0; fd <= 2; ++fd) {
    if (auto done = init.kernel.dup3(peer, fd); !done) return done;
  }
  auto taken = init.kernel.ioctl(0, TIOCSCTTY, "TIOCSCTTY", 0, "0");
  if (!taken) return taken.because("cannot make the terminal the controlling one");
  return Done{};
}

}  // namespace dockerinit
