// What this kernel can do, found out by trying: mounts in a mount namespace that is thrown away, and calls
// with arguments that no kernel accepts.
//
// Contract: nothing that is tried here outlives the call, not even if the process is killed in the midst of
// it: the mounts live in a namespace that one thread alone has.

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "values.hpp"

namespace tsdock {

namespace {

struct Trial {
  std::string source;
  std::string target;
  std::string type;
  std::string data;
};

// What is mounted must also take a file: some combinations mount and then refuse every write.
std::optional<Refusal> try_all(const std::vector<Trial>& trials, const std::vector<std::string>& files) {
  if (::unshare(CLONE_NEWNS) < 0) return Refusal{"unshare", errno};
  // Before anything else: a mount below a shared one would appear on the host.
  if (::mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) < 0) return Refusal{"mount", errno};
  for (const Trial& trial : trials) {
    const int result = ::mount(trial.source.c_str(), trial.target.c_str(), trial.type.c_str(), 0,
                               trial.data.empty() ? nullptr : trial.data.c_str());
    if (result < 0) return Refusal{"mount", errno};
  }
  for (const std::string& file : files) {
    const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd.get() < 0) return Refusal{"open", errno};
  }
  return std::nullopt;
}

std::vector<Trial> trials_of(const Napi::Value& value) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), "trials must be an array");
  const auto list = value.As<Napi::Array>();
  std::vector<Trial> trials;
  for (std::uint32_t index = 0; index < list.Length(); ++index) {
    const auto parts = texts_of(list.Get(index), "a trial");
    if (parts.size() != 4)
      throw Napi::TypeError::New(value.Env(), "a trial is source, target, type and data");
    trials.push_back({parts[0], parts[1], parts[2], parts[3]});
  }
  return trials;
}

Napi::Value try_mounts(const Args& args) {
  const std::vector<Trial> trials = trials_of(args.value(0));
  const std::vector<std::string> files = texts_of(args.value(1), "files");
  std::optional<Refusal> refusal;
  std::thread([&] { refusal = try_all(trials, files); }).join();
  if (refusal) throw *refusal;
  return done(args);
}

struct Asked {
  const char* name;
  long (*ask)();
};

// Each is refused by every kernel that has it: for its descriptors, its sizes or its pointers.
constexpr Asked kAsked[] = {
    {"clone3", [] { return ::syscall(SYS_clone3, nullptr, 0); }},
    {"pidfd_open", [] { return ::syscall(SYS_pidfd_open, -1, 0); }},
    {"openat2", [] { return ::syscall(SYS_openat2, -1, nullptr, nullptr, 0); }},
    {"close_range", [] { return ::syscall(SYS_close_range, 2, 1, 0); }},
    {"open_tree", [] { return ::syscall(SYS_open_tree, -1, nullptr, ~0U); }},
    {"move_mount", [] { return ::syscall(SYS_move_mount, -1, nullptr, -1, nullptr, ~0U); }},
    {"mount_setattr", [] { return ::syscall(SYS_mount_setattr, -1, nullptr, ~0U, nullptr, 0); }},
    {"pivot_root", [] { return ::syscall(SYS_pivot_root, nullptr, nullptr); }},
    {"seccomp", [] { return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, nullptr); }},
};

// ENOSYS alone: EPERM is what some of them say to whoever is not root.
Napi::Value lacking_calls(const Args& args) {
  Napi::Array list = Napi::Array::New(args.env());
  std::uint32_t found = 0;
  for (const Asked& asked : kAsked) {
    if (asked.ask() >= 0 || errno != ENOSYS) continue;
    list.Set(found++, Napi::String::New(args.env(), asked.name));
  }
  return list;
}

}  // namespace

void offer_trials(Napi::Object& exports) {
  offer<try_mounts>(exports, "tryMounts");
  offer<lacking_calls>(exports, "lackingCalls");
}

}  // namespace tsdock
