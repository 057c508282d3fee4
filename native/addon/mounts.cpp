// mount(2) and umount2(2). Flag values come from the caller, who also names them on the cards.

#include <sched.h>
#include <sys/mount.h>

#include <thread>

#include "values.hpp"

namespace tsdock {

namespace {

struct MountRequest {
  int directory;
  std::string source;
  std::string target;
  std::string type;
  unsigned long flags;
  std::string data;
};

Refusal attempt(const MountRequest& request) {
  const auto optional = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
  const int result = ::mount(request.source.c_str(), request.target.c_str(), optional(request.type),
                             request.flags, optional(request.data));
  return {"mount", result < 0 ? errno : 0};
}

// The working directory belongs to the process, and Node's other threads resolve relative paths meanwhile:
// only a thread that has left the sharing may change it. 124 layers do not fit in the 4096 bytes of mount
// options otherwise.
Refusal attempt_from(const MountRequest& request) {
  Refusal outcome{"unshare", 0};
  std::thread([&] {
    if (::unshare(CLONE_FS) < 0) {
      outcome = {"unshare", errno};
    } else if (::fchdir(request.directory) < 0) {
      outcome = {"fchdir", errno};
    } else {
      outcome = attempt(request);
    }
  }).join();
  return outcome;
}

Napi::Value mount_filesystem(const Args& args) {
  const MountRequest request{args.descriptor(0), args.text(1), args.text(2),
                             args.text(3),       args.wide(4), args.text(5)};
  const Refusal outcome = request.directory == -100 ? attempt(request) : attempt_from(request);
  if (outcome.error != 0) throw outcome;
  return done(args);
}

Napi::Value unmount(const Args& args) {
  checked("umount2", ::umount2(args.text(0).c_str(), args.integer(1)));
  return done(args);
}

}  // namespace

void offer_mounts(Napi::Object& exports) {
  offer<mount_filesystem>(exports, "mount");
  offer<unmount>(exports, "umount2");
}

}  // namespace tsdock
