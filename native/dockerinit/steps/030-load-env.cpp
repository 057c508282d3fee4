// init.load-env: the container's environment, checked and kept as data.
#include "../steps.hpp"

namespace dockerinit {

// Docker 1.2.0 put these into init's own environment, where LD_PRELOAD or GODEBUG of an image would have
// steered a privileged program of the host. Here they are words for execve and for the search in PATH.
Status load_env(Init& init) {
  for (const std::string& variable : init.config.environment) {
    const size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) {
      return refuse("", {}, EINVAL, "invalid environment '" + variable.substr(0, 100) + "'");
    }
  }
  init.environment = init.config.environment;
  init.note("variables", static_cast<int64_t>(init.environment.size()));
  return Done{};
}

}  // namespace dockerinit
