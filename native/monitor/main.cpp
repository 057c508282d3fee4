// ts-dock-monitor: the parent of a container that outlives its ts-dock or has a terminal (PROTOCOL.md).
// Started by ts-dock alone, with the control socket as descriptor 3.
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "monitor.hpp"

namespace {

constexpr int kFailed = 125;

bool has_control() {
  struct stat control {};
  return ::fstat(monitor::Control::kFd, &control) == 0 && S_ISSOCK(control.st_mode);
}

// A session of its own, so that no terminal's signals come; no parent-death signal, since outliving ts-dock
// is what it is for. The name: it was executed by descriptor, so the kernel knows it by a number only.
void become_independent() {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
  ::prctl(PR_SET_NAME, "ts-dock-monitor", 0, 0, 0);
  monitor::ignore_signals();
}

// One large frame would otherwise teach malloc to keep large blocks for ever.
void keep_small() { ::mallopt(M_MMAP_THRESHOLD, 64 * 1024); }

// Static, not on the stack: its buffers are zero pages until they are used.
monitor::Monitor& the_monitor() {
  static monitor::Monitor only;
  return only;
}

}  // namespace

int main() {
  if (!has_control()) {
    constexpr char kSaid[] = "ts-dock-monitor: started by ts-dock, not by hand (descriptor 3 is no socket)\n";
    static_cast<void>(!::write(STDERR_FILENO, kSaid, sizeof kSaid - 1));
    return kFailed;
  }
  become_independent();
  keep_small();
  ::syscall(SYS_close_range, monitor::Control::kFd + 1, ~0U, 0);
  if (!monitor::keep_place_for_lock()) return kFailed;
  return the_monitor().run();
}
