// See kernel.hpp.
#include "kernel.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "names.hpp"

namespace dockerinit {

using names::descriptor;
using names::octal;
using names::quoted;

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

void Kernel::keep(Call call) {
  if (calls_.size() < kListed) {
    calls_.push_back(std::move(call));
  } else {
    ++more_;
  }
}

template <class Ask>
Result<long> Kernel::ask(const char* name, std::vector<std::string> args, Ask call) {
  const int64_t start = now();
  errno = 0;
  const long result = call();
  const int error = result < 0 ? errno : 0;
  const int64_t end = now();
  keep({name, args, result, error, start, end - start});
  if (result < 0) return refuse(name, std::move(args), error, "");
  return result;
}

template <class Ask>
Result<Done> Kernel::run(const char* name, std::vector<std::string> args, Ask call) {
  auto result = ask(name, std::move(args), call);
  if (!result) return result.failure();
  return Done{};
}

template <class Ask>
Result<Fd> Kernel::open(const char* name, std::vector<std::string> args, Ask call) {
  auto result = ask(name, std::move(args), call);
  if (!result) return result.failure();
  return Fd(static_cast<int>(*result));
}

std::vector<Call> Kernel::take_calls() { return std::exchange(calls_, {}); }
uint64_t Kernel::take_more() { return std::exchange(more_, 0); }

Result<Fd> Kernel::openat2(int dir, const std::string& path, uint64_t flags, uint64_t mode,
                           uint64_t resolve) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  how.resolve = resolve;
  const std::string shown = "{flags=" + names::open_flags(how.flags) +
                            (mode != 0 ? ", mode=" + octal(mode) : "") +
                            ", resolve=" + names::resolve_flags(resolve) + "}";
  return open("openat2", {descriptor(dir), quoted(path), shown, std::to_string(sizeof how)},
              [&] { return syscall(SYS_openat2, dir, path.c_str(), &how, sizeof how); });
}

Result<Done> Kernel::mkdirat(int dir, const std::string& name, mode_t mode) {
  return run("mkdirat", {descriptor(dir), quoted(name), octal(mode)},
             [&] { return ::mkdirat(dir, name.c_str(), mode); });
}

Result<Done> Kernel::mknodat(int dir, const std::string& name, mode_t mode, unsigned major, unsigned minor) {
  const std::string device = "makedev(" + names::hex(major) + ", " + names::hex(minor) + ")";
  return run("mknodat", {descriptor(dir), quoted(name), names::file_type(mode), device},
             [&] { return ::mknodat(dir, name.c_str(), mode, makedev(major, minor)); });
}

Result<Done> Kernel::symlinkat(const std::string& target, int dir, const std::string& name) {
  return run("symlinkat", {quoted(target), descriptor(dir), quoted(name)},
             [&] { return ::symlinkat(target.c_str(), dir, name.c_str()); });
}

Result<Done> Kernel::write(int fd, const std::string& text) {
  return run("write", {descriptor(fd), quoted(text), std::to_string(text.size())},
             [&] { return ::write(fd, text.data(), text.size()); });
}

Result<Done> Kernel::mount(const char* source, const std::string& target, const char* type,
                           unsigned long flags, const char* data) {
  return run("mount", {quoted(source), quoted(target), quoted(type), names::mount_flags(flags), quoted(data)},
             [&] { return ::mount(source, target.c_str(), type, flags, data); });
}

Result<Fd> Kernel::open_tree(int dir, const std::string& path, unsigned flags) {
  return open("open_tree", {descriptor(dir), quoted(path), names::tree_flags(flags)},
              [&] { return ::open_tree(dir, path.c_str(), flags); });
}

Result<Done> Kernel::mount_setattr(int fd, unsigned flags, uint64_t set, uint64_t propagation) {
  mount_attr attributes{};
  attributes.attr_set = set;
  attributes.propagation = propagation;
  const std::string shown = "{attr_set=" + names::mount_attributes(set) +
                            ", attr_clr=0, propagation=" + names::mount_flags(propagation) + ", userns_fd=0}";
  return run(
      "mount_setattr",
      {descriptor(fd), quoted(""), names::setattr_flags(flags), shown, std::to_string(sizeof attributes)},
      [&] { return ::mount_setattr(fd, "", flags, &attributes, sizeof attributes); });
}

Result<Done> Kernel::move_mount(int from, int to) {
  return run(
      "move_mount",
      {descriptor(from), quoted(""), descriptor(to), quoted(""),
       "MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH"},
      [&] { return ::move_mount(from, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH); });
}

Result<Fd> Kernel::detached_mount(const std::string& type) {
  auto context = open("fsopen", {quoted(type), "FSOPEN_CLOEXEC"},
                      [&] { return ::fsopen(type.c_str(), FSOPEN_CLOEXEC); });
  if (!context) return context;
  auto made = run("fsconfig", {descriptor(context->get()), "FSCONFIG_CMD_CREATE", "NULL", "NULL", "0"},
                  [&] { return ::fsconfig(context->get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0); });
  if (!made) return made.failure();
  constexpr unsigned kHarmless = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  return open("fsmount", {descriptor(context->get()), "FSMOUNT_CLOEXEC", names::mount_attributes(kHarmless)},
              [&] { return ::fsmount(context->get(), FSMOUNT_CLOEXEC, kHarmless); });
}

Result<Done> Kernel::umount2(const std::string& target, int flags) {
  return run("umount2", {quoted(target), names::umount_flags(flags)},
             [&] { return ::umount2(target.c_str(), flags); });
}

Result<Done> Kernel::pivot_root(const std::string& new_root, const std::string& put_old) {
  return run("pivot_root", {quoted(new_root), quoted(put_old)},
             [&] { return syscall(SYS_pivot_root, new_root.c_str(), put_old.c_str()); });
}

Result<Done> Kernel::fchdir(int fd) {
  return run("fchdir", {descriptor(fd)}, [&] { return ::fchdir(fd); });
}

Result<Done> Kernel::chdir(const std::string& path) {
  return run("chdir", {quoted(path)}, [&] { return ::chdir(path.c_str()); });
}

Result<Done> Kernel::prctl(int option, const char* option_name, unsigned long value,
                           const std::string& shown) {
  return run("prctl", {option_name, shown}, [&] { return ::prctl(option, value, 0UL, 0UL, 0UL); });
}

Result<Done> Kernel::setsid() {
  return run("setsid", {}, [] { return ::setsid(); });
}

Result<pid_t> Kernel::fork() {
  auto result = ask("fork", {}, [] { return static_cast<long>(::fork()); });
  if (!result) return result.failure();
  return static_cast<pid_t>(*result);
}

Result<int> Kernel::clone_sibling() {
  // The raw call: its arguments are in another order on arm64, and all but the flags are none.
  auto result = ask("clone", {"CLONE_PARENT|SIGCHLD"},
                    [] { return syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0L, 0L, 0L, 0L); });
  if (!result) return result.failure();
  return static_cast<int>(*result);
}

Result<Fd> Kernel::pidfd_open(pid_t pid) {
  return open("pidfd_open", {std::to_string(pid), "0"}, [&] { return syscall(SYS_pidfd_open, pid, 0); });
}

Result<Done> Kernel::sethostname(const std::string& name) {
  return run("sethostname", {quoted(name), std::to_string(name.size())},
             [&] { return ::sethostname(name.data(), name.size()); });
}

Result<Done> Kernel::setns(int fd, int type, const char* type_name) {
  return run("setns", {descriptor(fd), type_name}, [&] { return ::setns(fd, type); });
}

Result<Done> Kernel::setgroups(const std::vector<gid_t>& groups) {
  std::string shown;
  for (const gid_t gid : groups) shown += (shown.empty() ? "" : ", ") + std::to_string(gid);
  return run("setgroups", {std::to_string(groups.size()), "[" + shown + "]"},
             [&] { return ::setgroups(groups.size(), groups.data()); });
}

Result<Done> Kernel::setresgid(gid_t gid) {
  const std::string shown = std::to_string(gid);
  return run("setresgid", {shown, shown, shown}, [&] { return ::setresgid(gid, gid, gid); });
}

Result<Done> Kernel::setresuid(uid_t uid) {
  const std::string shown = std::to_string(uid);
  return run("setresuid", {shown, shown, shown}, [&] { return ::setresuid(uid, uid, uid); });
}

Result<Done> Kernel::capset(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  for (unsigned half = 0; half < 2; ++half) {
    data[half] = {static_cast<uint32_t>(effective >> (32 * half)),
                  static_cast<uint32_t>(permitted >> (32 * half)),
                  static_cast<uint32_t>(inheritable >> (32 * half))};
  }
  return run("capset",
             {"{_LINUX_CAPABILITY_VERSION_3, 0}", "{effective=" + names::hex(effective) +
                                                      ", permitted=" + names::hex(permitted) +
                                                      ", inheritable=" + names::hex(inheritable) + "}"},
             [&] { return syscall(SYS_capset, &header, data); });
}

Result<Done> Kernel::prlimit(int resource, const std::string& name, const rlimit64& limit) {
  const auto word = [](rlim64_t value) {
    return value == RLIM64_INFINITY ? "RLIM_INFINITY" : std::to_string(value);
  };
  return run(
      "prlimit64",
      {"0", name, "{rlim_cur=" + word(limit.rlim_cur) + ", rlim_max=" + word(limit.rlim_max) + "}", "NULL"},
      [&] { return syscall(SYS_prlimit64, 0, resource, &limit, nullptr); });
}

Result<Done> Kernel::seccomp_filter(const sock_fprog& program) {
  return run("seccomp", {"SECCOMP_SET_MODE_FILTER", "0", "{len=" + std::to_string(program.len) + "}"},
             [&] { return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program); });
}

namespace {

std::vector<std::string> execve_arguments(const std::string& path, char* const* argv, char* const* env) {
  std::string shown;
  for (char* const* arg = argv; *arg != nullptr; ++arg) shown += (shown.empty() ? "" : ", ") + quoted(*arg);
  size_t variables = 0;
  while (env[variables] != nullptr) ++variables;
  // The values are the user's secrets: only how many there are is told.
  return {quoted(path), "[" + shown + "]", "/* " + std::to_string(variables) + " vars */"};
}

}  // namespace

void Kernel::announce_execve(const std::string& path, char* const* argv, char* const* env) {
  keep({"execve", execve_arguments(path, argv, env), 0, 0, now(), 0});
}

Result<Done> Kernel::execve(const std::string& path, char* const* argv, char* const* env) {
  return run("execve", execve_arguments(path, argv, env), [&] { return ::execve(path.c_str(), argv, env); });
}

mode_t Kernel::umask(mode_t mask) {
  auto old = ask("umask", {names::mask(mask)}, [&] { return static_cast<long>(::umask(mask)); });
  return static_cast<mode_t>(*old);
}

Result<Done> Kernel::close_range(unsigned first, unsigned flags) {
  return run("close_range", {std::to_string(first), "~0U", flags == 0 ? "0" : "CLOSE_RANGE_CLOEXEC"},
             [&] { return ::close_range(first, ~0U, static_cast<int>(flags)); });
}

Result<Done> Kernel::dup3(int from, int to) {
  return run("dup3", {descriptor(from), descriptor(to), "0"}, [&] { return ::dup3(from, to, 0); });
}

Result<Done> Kernel::fchown(int fd, uid_t uid, gid_t gid) {
  const auto word = [](unsigned id) { return id == ~0U ? std::string("-1") : std::to_string(id); };
  return run("fchown", {descriptor(fd), word(uid), word(gid)}, [&] { return ::fchown(fd, uid, gid); });
}

Result<int> Kernel::ioctl(int fd, unsigned long request, const char* request_name, unsigned long arg,
                          const std::string& shown) {
  auto result =
      ask("ioctl", {descriptor(fd), request_name, shown}, [&] { return ::ioctl(fd, request, arg); });
  if (!result) return result.failure();
  return static_cast<int>(*result);
}

void Kernel::note_netlink(int fd, std::string message, int error, int64_t at) {
  keep({"sendto", {descriptor(fd), std::move(message)}, error == 0 ? 0 : -1, error, at, now() - at});
}

}  // namespace dockerinit
