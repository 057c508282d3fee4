// exec.console: with -t, a terminal in the container's own devpts, whose master goes to the daemon.
#include "../exec-steps.hpp"
#include "../terminal.hpp"

namespace dockerinit {

// /dev/console stays the container's first terminal; this one has only its own name in /dev/pts.
Status console(Init& init, const SystemMounts& mounts) {
  init.note("tty", init.config.tty);
  if (!init.config.tty) return Done{};
  auto terminal = new_terminal(init, mounts.pts());
  if (!terminal) return terminal.failure();
  if (auto done = take_terminal(init, terminal->peer.get()); !done) return done;
  return init.pipe.console(terminal->master.get());
}

}  // namespace dockerinit
