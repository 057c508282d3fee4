// Proofs of order. Some steps need others only for their side effect ("after the pivot"), which no data would
// show; so the earlier step gives a token that only it can make and the later step takes it as an argument.
// CVE-2015-3627 was such an order: right action, wrong side of the pivot. steps.hpp checks at compile time
// that the table respects them.
//
// What a step takes by && is gone afterwards, and with it the descriptors that it held.
#pragma once

#include <utility>

#include "fd.hpp"
#include "result.hpp"

namespace dockerinit {

struct Init;

// Nothing that is mounted from here on is seen by the host.
class PrivateMounts {
 public:
  PrivateMounts(PrivateMounts&&) = default;
  PrivateMounts& operator=(PrivateMounts&&) = default;

 private:
  PrivateMounts() = default;
  friend Result<PrivateMounts> mount_private(Init&);
};

// The rootfs is a mount of its own, and this descriptor is the only name that it is called by until the
// pivot.
class RootBound {
 public:
  RootBound(RootBound&&) = default;
  RootBound& operator=(RootBound&&) = default;
  int fd() const { return fd_.get(); }

 private:
  explicit RootBound(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
  friend Result<RootBound> bind_rootfs(Init&, const PrivateMounts&);
};

class Jailed;

// This process has a pid in the container's pid namespace: a procfs that it mounts is the container's.
class InsidePids {
 public:
  InsidePids(InsidePids&&) = default;
  InsidePids& operator=(InsidePids&&) = default;

 private:
  InsidePids() = default;
  friend Result<InsidePids> fork_inside(Init&, const Jailed&);
};

// The container's own proc, sysfs and /dev, each looked at after it was mounted: later steps use these
// descriptors, so a volume or a link over /dev or /proc cannot send them elsewhere.
class SystemMounts {
 public:
  SystemMounts(SystemMounts&&) = default;
  SystemMounts& operator=(SystemMounts&&) = default;
  int proc() const { return proc_.get(); }
  int sys() const { return sys_.get(); }
  int dev() const { return dev_.get(); }
  int pts() const { return pts_.get(); }

 private:
  SystemMounts(Fd proc, Fd sys, Fd dev, Fd pts)
      : proc_(std::move(proc)), sys_(std::move(sys)), dev_(std::move(dev)), pts_(std::move(pts)) {}
  Fd proc_;
  Fd sys_;
  Fd dev_;
  Fd pts_;
  friend Result<SystemMounts> system_mounts(Init&, const RootBound&);
  friend Result<SystemMounts> open_proc(Init&, const Jailed&, const InsidePids&);
};

// The host's tree is unreachable: "/" is the container's.
class Jailed {
 public:
  Jailed(Jailed&&) = default;
  Jailed& operator=(Jailed&&) = default;

 private:
  Jailed() = default;
  friend Result<Jailed> pivot(Init&, RootBound&&);
  friend Result<Jailed> join_mounts(Init&);
};

// The deny list is installed (or not wanted). It needs CAP_SYS_ADMIN while no_new_privs is off, so it comes
// before any capability goes.
class SeccompDecided {
 public:
  SeccompDecided(SeccompDecided&&) = default;
  SeccompDecided& operator=(SeccompDecided&&) = default;

 private:
  SeccompDecided() = default;
  friend Result<SeccompDecided> seccomp(Init&, const Jailed&);
};

// Only 0, 1, 2 and the pipe are open: no directory is left to climb out through (CVE-2024-21626).
class DescriptorsClosed {
 public:
  DescriptorsClosed(DescriptorsClosed&&) = default;
  DescriptorsClosed& operator=(DescriptorsClosed&&) = default;

 private:
  DescriptorsClosed() = default;
  friend Result<DescriptorsClosed> close_on_exec(Init&, SystemMounts&&);
};

// The bounding set is cut; capabilities can only become fewer.
class BoundingCut {
 public:
  BoundingCut(BoundingCut&&) = default;
  BoundingCut& operator=(BoundingCut&&) = default;

 private:
  BoundingCut() = default;
  friend Result<BoundingCut> cap_bounding(Init&, const SeccompDecided&, const DescriptorsClosed&);
};

// User and groups are the program's; root's power is kept only for the steps up to CapabilitiesDropped.
class UserChanged {
 public:
  UserChanged(UserChanged&&) = default;
  UserChanged& operator=(UserChanged&&) = default;

 private:
  UserChanged() = default;
  friend Result<UserChanged> user(Init&, const Jailed&, const BoundingCut&);
};

// All five capability sets are what the program will have.
class CapabilitiesDropped {
 public:
  CapabilitiesDropped(CapabilitiesDropped&&) = default;
  CapabilitiesDropped& operator=(CapabilitiesDropped&&) = default;

 private:
  CapabilitiesDropped() = default;
  friend Result<CapabilitiesDropped> caps(Init&, UserChanged&&);
};

// The working directory was looked at and lies inside.
class InsideCwd {
 public:
  InsideCwd(InsideCwd&&) = default;
  InsideCwd& operator=(InsideCwd&&) = default;

 private:
  InsideCwd() = default;
  friend Result<InsideCwd> chdir(Init&, const CapabilitiesDropped&);
};

}  // namespace dockerinit
