// See hold.hpp.
#include "hold.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

namespace dockerinit {
namespace {

constexpr int kDaemon = 3;
constexpr int kMaster = 4;

// False at the end: EIO is how a master says that nobody has the other side any more.
bool drain() {
  char dropped[4096];
  const ssize_t got = read(kMaster, dropped, sizeof dropped);
  return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

}  // namespace

int hold() {
  // Not the daemon's end, nor its terminal's, may be ours.
  prctl(PR_SET_PDEATHSIG, 0);
  prctl(PR_SET_NAME, "ts-dock:[HOLD]");
  setsid();
  signal(SIGPIPE, SIG_IGN);
  if (fcntl(kMaster, F_GETFD) < 0 || write(kDaemon, "", 1) != 1) return 1;
  close(kDaemon);
  for (pollfd master{kMaster, POLLIN, 0}; poll(&master, 1, -1) > 0 || errno == EINTR;) {
    if (!drain()) return 0;
  }
  return 1;
}

}  // namespace dockerinit
