// The steps of dockerinit and, in kSteps, their order: the only place where it stands. A row `N, NAME` is the
// step `init.NAME` in steps/N-NAME.cpp, mirrored in src/steps/4-init.
#pragma once

#include "table.hpp"

namespace dockerinit {

Status read_args(Init& init);
Status load_config(Init& init);
Status load_env(Init& init);
Status join_cgroups(Init& init);
Status read_network_state(Init& init);
Status session_tty(Init& init);
Status network(Init& init);
Result<PrivateMounts> mount_private(Init& init);
Result<RootBound> bind_rootfs(Init& init, const PrivateMounts& mounts);
Result<SystemMounts> system_mounts(Init& init, const RootBound& root);
Status bind_mounts(Init& init, const RootBound& root, const SystemMounts& mounts);
Status devices(Init& init, const SystemMounts& mounts);
Status ptmx_console(Init& init, const SystemMounts& mounts);
Status dev_symlinks(Init& init, const SystemMounts& mounts);
Result<Jailed> pivot(Init& init, RootBound&& root);
Status reopen_null(Init& init, const Jailed& jail, const SystemMounts& mounts);
Status readonly_root(Init& init, const Jailed& jail);
Status set_umask(Init& init);
Status hostname(Init& init);
Status lsm(Init& init, const Jailed& jail, const SystemMounts& mounts);
Status restrict_paths(Init& init, const Jailed& jail, const SystemMounts& mounts);
Status rlimits(Init& init, const SystemMounts& mounts);
Result<SeccompDecided> seccomp(Init& init, const Jailed& jail);
Result<DescriptorsClosed> close_on_exec(Init& init, SystemMounts&& mounts);
Result<BoundingCut> cap_bounding(Init& init, const SeccompDecided& filter, const DescriptorsClosed& closed);
Result<UserChanged> user(Init& init, const Jailed& jail, const BoundingCut& bounding);
Result<CapabilitiesDropped> caps(Init& init, UserChanged&& changed);
Result<InsideCwd> chdir(Init& init, const CapabilitiesDropped& dropped);
Status exec(Init& init, const DescriptorsClosed& closed, const CapabilitiesDropped& dropped,
            const InsideCwd& cwd);

inline constexpr std::array kSteps = {
    row<read_args>(10, "read-args"),
    row<load_config>(20, "load-config"),
    row<load_env>(30, "load-env"),
    row<join_cgroups>(40, "join-cgroups"),
    row<read_network_state>(50, "read-network-state"),
    row<session_tty>(60, "session-tty"),
    row<network>(70, "network"),
    row<mount_private>(80, "mount-private"),
    row<bind_rootfs>(90, "bind-rootfs"),
    row<system_mounts>(100, "system-mounts"),
    row<bind_mounts>(110, "bind-mounts"),
    row<devices>(120, "devices"),
    row<ptmx_console>(130, "ptmx-console"),
    row<dev_symlinks>(140, "dev-symlinks"),
    row<pivot>(150, "pivot"),
    row<reopen_null>(160, "reopen-null"),
    row<readonly_root>(170, "readonly-root"),
    row<set_umask>(180, "umask"),
    row<hostname>(190, "hostname"),
    row<lsm>(200, "lsm"),
    row<restrict_paths>(210, "restrict"),
    row<rlimits>(220, "rlimits"),
    row<seccomp>(230, "seccomp"),
    row<close_on_exec>(240, "close-on-exec"),
    row<cap_bounding>(250, "cap-bounding"),
    row<user>(260, "user"),
    row<caps>(270, "caps"),
    row<chdir>(280, "chdir"),
    row<exec>(290, "exec"),
};
static_assert(ordered(kSteps), "a step stands before what it needs, or after somebody took it");

}  // namespace dockerinit
