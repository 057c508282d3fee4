// init.ptmx-console: /dev/ptmx, and with -t the container's own terminal, whose master goes to the daemon.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <string>

#include "../steps.hpp"
#include "../terminal.hpp"

namespace dockerinit {
namespace {

Status bind_console(Init& init, int dev, int peer) {
  auto place = init.kernel.openat2(dev, "console", O_CREAT | O_EXCL | O_NOFOLLOW | O_RDONLY, 0600,
                                   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (!place) return place.because("cannot make /dev/console");
  auto tree = init.kernel.open_tree(peer, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (!tree) return tree.because("cannot clone the terminal as a mount");
  return init.kernel.move_mount(tree->get(), place->get());
}

// Here and not by the daemon, which learns of the terminal while the program may already ask for its size.
Status set_size(Init& init, int master) {
  const winsize size{init.config.console_rows, init.config.console_columns, 0, 0};
  if (size.ws_row == 0) return Done{};
  const std::string shown = "{" + std::to_string(size.ws_row) + ", " + std::to_string(size.ws_col) + "}";
  auto done =
      init.kernel.ioctl(master, TIOCSWINSZ, "TIOCSWINSZ", reinterpret_cast<unsigned long>(&size), shown);
  if (!done) return done.failure();
  return Done{};
}

}  // namespace

Status ptmx_console(Init& init, const SystemMounts& mounts) {
  auto linked = init.kernel.symlinkat("pts/ptmx", mounts.dev(), "ptmx");
  if (!linked) return linked.because("cannot make /dev/ptmx");
  init.note("tty", init.config.tty);
  if (!init.config.tty) return Done{};
  auto terminal = new_terminal(init, mounts.pts());
  if (!terminal) return terminal.failure();
  if (auto done = set_size(init, terminal->master.get()); !done) return done;
  if (auto done = bind_console(init, mounts.dev(), terminal->peer.get()); !done) return done;
  if (auto done = take_terminal(init, terminal->peer.get()); !done) return done;
  // Our copies of both ends close with this step: a master that stayed open would keep the terminal alive for
  // ever.
  return init.pipe.console(terminal->master.get());
}

}  // namespace dockerinit
