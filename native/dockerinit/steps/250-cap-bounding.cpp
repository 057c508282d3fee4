// init.cap-bounding: cuts the bounding set, the most that any program in the container can ever get.
#include <sys/prctl.h>

#include "../capabilities.hpp"
#include "../steps.hpp"

namespace dockerinit {
// An allow list: a list of what to drop forgot CAP_DAC_READ_SEARCH in 2014, and container root read the
// host's files by handle ("shocker").
Result<BoundingCut> cap_bounding(Init& init, const SeccompDecided&, const DescriptorsClosed&) {
  auto sets = capability_sets(init.kernel);
  if (!sets) return sets.failure();
  // Root on this host may itself be without some (CAP_SYS_RESOURCE in many virtual machines).
  init.kept_capabilities = init.config.capabilities & sets->bounding & sets->permitted;
  const uint64_t absent = init.config.capabilities & ~init.kept_capabilities;
  std::string missing;
  for (unsigned number = 0; number < 64; ++number) {
    const uint64_t bit = uint64_t{1} << number;
    if ((absent & bit) != 0) missing += (missing.empty() ? "" : " ") + capability_name(number);
    if ((sets->bounding & bit) == 0 || (init.kept_capabilities & bit) != 0) continue;
    auto dropped = init.kernel.prctl(PR_CAPBSET_DROP, "PR_CAPBSET_DROP", number, capability_name(number));
    if (!dropped) return dropped.because("cannot drop " + capability_name(number));
  }
  char kept[32];
  snprintf(kept, sizeof kept, "%016llx", static_cast<unsigned long long>(init.kept_capabilities));
  init.note("kept", std::string(kept));
  if (!missing.empty()) init.note("not_given_by_host", missing);
  return BoundingCut{};
}

}  // namespace dockerinit
