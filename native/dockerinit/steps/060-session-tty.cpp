// init.session-tty: a session of our own. The terminal that belongs to it comes with init.ptmx-console.
#include "../steps.hpp"

namespace dockerinit {

// In the caller's session the container could push characters into the caller's terminal (TIOCSTI,
// CVE-2017-5226). Docker opened the host's /dev/pts/N at this point; our terminal is born in the container's
// own devpts, which is not mounted yet.
Status session_tty(Init& init) {
  auto session = init.kernel.setsid();
  if (!session) return session.because("cannot leave the session of the caller");
  init.note("tty", init.config.tty);
  return Done{};
}

}  // namespace dockerinit
