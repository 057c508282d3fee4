// init.rlimits: resource limits of the program (ours; Docker 1.2.0 had none per container).
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/resource.h>

#include <cerrno>
#include <iterator>

#include "../beneath.hpp"
#include "../steps.hpp"

namespace dockerinit {
namespace {

struct Named {
  const char* name;
  int resource;
};

constexpr Named kLimits[] = {{"RLIMIT_AS", RLIMIT_AS},
                             {"RLIMIT_CORE", RLIMIT_CORE},
                             {"RLIMIT_CPU", RLIMIT_CPU},
                             {"RLIMIT_DATA", RLIMIT_DATA},
                             {"RLIMIT_FSIZE", RLIMIT_FSIZE},
                             {"RLIMIT_LOCKS", RLIMIT_LOCKS},
                             {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
                             {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
                             {"RLIMIT_NICE", RLIMIT_NICE},
                             {"RLIMIT_NOFILE", RLIMIT_NOFILE},
                             {"RLIMIT_NPROC", RLIMIT_NPROC},
                             {"RLIMIT_RSS", RLIMIT_RSS},
                             {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
                             {"RLIMIT_RTTIME", RLIMIT_RTTIME},
                             {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
                             {"RLIMIT_STACK", RLIMIT_STACK}};

// Root may lack CAP_SYS_RESOURCE (it does in many virtual machines): then the host's hard limit is the
// ceiling.
Status set_limit(Init& init, const Rlimit& limit) {
  const Named* known = nullptr;
  for (const Named& each : kLimits) {
    if (limit.type == each.name) known = &each;
  }
  if (known == nullptr) return refuse("", {}, EINVAL, "unknown limit " + limit.type);
  auto done = init.kernel.prlimit(known->resource, known->name, {limit.soft, limit.hard});
  if (done) return done;
  std::string detail =
      "cannot set " + limit.type + " to " + std::to_string(limit.soft) + ":" + std::to_string(limit.hard);
  if (done.error() == EPERM) detail += ": it is above the host's hard limit";
  if (done.error() == EINVAL) detail += ": the soft limit is above the hard one";
  return done.because(detail);
}

// Upwards everybody may. Downwards only who has CAP_SYS_RESOURCE: else a program could save itself at the
// cost of the host's.
Status set_oom_score(Init& init, int proc) {
  const std::string score = std::to_string(init.config.oom_score_adj);
  auto file = init.kernel.openat2(proc, "thread-self/oom_score_adj", O_WRONLY, 0,
                                  RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
  if (!file) return file.because("cannot open /proc/self/oom_score_adj");
  if (magic_of(file->get()) != PROC_SUPER_MAGIC)
    return refuse("fstatfs", {"oom_score_adj"}, EINVAL, "oom_score_adj is not in procfs");
  auto done = init.kernel.write(file->get(), score);
  if (done) return done;
  std::string detail = "cannot set the OOM score adjustment to " + score;
  if (done.error() == EACCES || done.error() == EPERM)
    detail +=
        ": to go below the score of ts-dock itself needs CAP_SYS_RESOURCE, which this host does not give";
  return done.because(detail);
}

}  // namespace

// Before the capabilities go: raising a hard limit needs one. After the mounts: init itself must not run into
// them.
Status rlimits(Init& init, const SystemMounts& mounts) {
  if (init.config.oom_score_adj != 0) {
    if (auto done = set_oom_score(init, mounts.proc()); !done) return done;
    init.note("oom score adjustment", static_cast<int64_t>(init.config.oom_score_adj));
  }
  for (const Rlimit& limit : init.config.rlimits) {
    if (auto done = set_limit(init, limit); !done) return done;
  }
  init.note("limits", static_cast<int64_t>(init.config.rlimits.size()));
  return Done{};
}

}  // namespace dockerinit
