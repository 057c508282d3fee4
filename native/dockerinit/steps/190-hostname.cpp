// init.hostname: the name in the container's own UTS namespace.
#include "../steps.hpp"

namespace dockerinit {

// The daemon gives a new UTS namespace to every container; an empty name leaves what was copied from the
// host.
Status hostname(Init& init) {
  init.note("hostname", init.config.hostname);
  if (init.config.hostname.empty()) return Done{};
  auto done = init.kernel.sethostname(init.config.hostname);
  if (!done) return done.because("cannot set the hostname to '" + init.config.hostname.substr(0, 64) + "'");
  return done;
}

}  // namespace dockerinit
