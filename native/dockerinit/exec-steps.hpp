// The steps of `exec`: a process that joins a living container. A row `N, NAME` is the step `exec.NAME`,
// mirrored in src/steps/6-exec; its code lies in exec-steps/N-NAME.cpp, or, with a third number, in steps/,
// shared with the container's own first process.
#pragma once

#include "steps.hpp"

namespace dockerinit {

Status join_namespaces(Init& init);
Result<Jailed> join_mounts(Init& init);
Result<InsidePids> fork_inside(Init& init, const Jailed& jail);
Result<SystemMounts> open_proc(Init& init, const Jailed& jail, const InsidePids& inside);
Status console(Init& init, const SystemMounts& mounts);

inline constexpr std::array kExecSteps = {
    row<read_args>(60, "read-args", 10),
    row<load_config>(70, "load-config", 20),
    row<load_env>(80, "load-env", 30),
    row<join_cgroups>(90, "join-cgroups", 40),
    row<join_namespaces>(100, "join-namespaces"),
    row<join_mounts>(110, "join-mounts"),
    row<fork_inside>(120, "fork"),
    row<session_tty>(130, "session-tty", 60),
    row<open_proc>(140, "open-proc"),
    row<console>(150, "console"),
    row<reopen_null>(160, "reopen-null", 160),
    row<lsm>(170, "lsm", 200),
    row<rlimits>(180, "rlimits", 220),
    row<seccomp>(190, "seccomp", 230),
    row<close_on_exec>(200, "close-on-exec", 240),
    row<cap_bounding>(210, "cap-bounding", 250),
    row<user>(220, "user", 260),
    row<caps>(230, "caps", 270),
    row<chdir>(240, "chdir", 280),
    row<exec>(250, "exec", 290),
};
static_assert(ordered(kExecSteps), "a step stands before what it needs, or after somebody took it");

}  // namespace dockerinit
