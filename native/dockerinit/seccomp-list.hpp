// The system calls that a container is refused, each with its reason. A short list on purpose: the
// capabilities refuse most dangerous calls already; this is for what the kernel lets anybody do, and for the
// day a capability is not enough. A call is left alone when the capability that makes it legitimate is kept.
#pragma once

#include <linux/capability.h>
#include <sys/syscall.h>

namespace dockerinit {

constexpr int kAlways = -1;

struct Denied {
  int call;
  int unless;
  const char* reason;
};

inline constexpr Denied kDenied[] = {
    {SYS_setns, CAP_SYS_ADMIN, "joins other namespaces"},
    {SYS_mount, CAP_SYS_ADMIN, "could mount cgroupfs, whose release_agent runs on the host (CVE-2022-0492)"},
    {SYS_umount2, CAP_SYS_ADMIN, "could take the masks off /proc"},
    {SYS_pivot_root, CAP_SYS_ADMIN, "exchanges the root"},
    {SYS_open_tree, CAP_SYS_ADMIN, "mount by the newer calls"},
    {SYS_move_mount, CAP_SYS_ADMIN, "mount by the newer calls"},
    {SYS_fsopen, CAP_SYS_ADMIN, "mount by the newer calls"},
    {SYS_fsconfig, CAP_SYS_ADMIN, "mount by the newer calls (CVE-2022-0185)"},
    {SYS_fsmount, CAP_SYS_ADMIN, "mount by the newer calls"},
    {SYS_fspick, CAP_SYS_ADMIN, "mount by the newer calls"},
    {SYS_mount_setattr, CAP_SYS_ADMIN, "could make read-only mounts writable"},
    {SYS_bpf, CAP_SYS_ADMIN, "runs code in the kernel; its verifier had many holes"},
    {SYS_perf_event_open, CAP_SYS_ADMIN, "watches other processes; many holes"},
    {SYS_quotactl, CAP_SYS_ADMIN, "changes quotas of the host's disks"},
    {SYS_swapon, CAP_SYS_ADMIN, "changes the host's swap"},
    {SYS_swapoff, CAP_SYS_ADMIN, "changes the host's swap"},
    {SYS_keyctl, kAlways, "key rings are not namespaced: those of other containers (CVE-2016-0728)"},
    {SYS_add_key, kAlways, "key rings are not namespaced"},
    {SYS_request_key, kAlways, "key rings are not namespaced; starts a program on the host"},
    {SYS_userfaultfd, kAlways, "stops the kernel in the middle of a copy: makes races winnable"},
    {SYS_io_uring_setup, kAlways, "does calls behind this filter's back; many holes"},
    {SYS_io_uring_enter, kAlways, "as io_uring_setup"},
    {SYS_io_uring_register, kAlways, "as io_uring_setup"},
    {SYS_open_by_handle_at, CAP_DAC_READ_SEARCH, "opens host files by inode number (the 2014 'shocker')"},
    {SYS_kexec_load, CAP_SYS_BOOT, "replaces the host's kernel"},
    {SYS_kexec_file_load, CAP_SYS_BOOT, "replaces the host's kernel"},
    {SYS_reboot, CAP_SYS_BOOT, "restarts the host"},
    {SYS_init_module, CAP_SYS_MODULE, "loads code into the host's kernel"},
    {SYS_finit_module, CAP_SYS_MODULE, "loads code into the host's kernel"},
    {SYS_delete_module, CAP_SYS_MODULE, "takes code out of the host's kernel"},
    {SYS_acct, CAP_SYS_PACCT, "process accounting of the whole host"},
#ifdef SYS_iopl
    {SYS_iopl, CAP_SYS_RAWIO, "talks to hardware"},
    {SYS_ioperm, CAP_SYS_RAWIO, "talks to hardware"},
#endif
};

}  // namespace dockerinit
