// init.caps: sets the capability sets that the program starts with, and looks whether the kernel agrees.
#include <linux/capability.h>
#include <sys/prctl.h>

#include "../capabilities.hpp"
#include "../steps.hpp"

namespace dockerinit {

// Inheritable and ambient stay empty: Docker 1.2.0 filled inheritable, so a file with inheritable
// capabilities gave them to a user who should have had none (CVE-2022-24769). Another user than root gets
// none at all, as in Docker.
Result<CapabilitiesDropped> caps(Init& init, UserChanged&&) {
  const uint64_t kept = init.identity.uid == 0 ? init.kept_capabilities : 0;
  auto cleared = init.kernel.prctl(PR_CAP_AMBIENT, "PR_CAP_AMBIENT", PR_CAP_AMBIENT_CLEAR_ALL,
                                   "PR_CAP_AMBIENT_CLEAR_ALL");
  if (!cleared) return cleared.failure();
  if (auto set = init.kernel.capset(kept, kept, 0); !set) return set.because("cannot set the capabilities");
  auto sets = capability_sets(init.kernel);
  if (!sets) return sets.failure();
  const bool right = sets->permitted == kept && sets->effective == kept && sets->inheritable == 0 &&
                     sets->ambient == 0 && sets->bounding == init.kept_capabilities;
  if (!right) return refuse("capget", {}, EPERM, "the kernel shows other capabilities than were set");
  return CapabilitiesDropped{};
}

}  // namespace dockerinit
