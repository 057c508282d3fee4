// The kernel port of dockerinit: one function per call that matters, and a record of each (name, arguments as
// a learner would write them, result, errno, time). A learner is shown this record as the truth, so steps ask
// the kernel through it and nowhere else; test/native compares it with strace. Refusals come back as Failure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fd.hpp"
#include "result.hpp"

struct mount_attr;
struct rlimit64;
struct sock_fprog;

namespace dockerinit {

// CLOCK_MONOTONIC in nanoseconds: the only clock of the journal.
int64_t now();

struct Call {
  std::string name;
  std::vector<std::string> args;
  int64_t result;
  int error;
  int64_t at;
  int64_t duration;
};

class Kernel {
 public:
  // PROTOCOL.md: at most so many calls are listed in a frame.
  static constexpr size_t kListed = 48;

  // Files, always relative to a descriptor or AT_FDCWD.
  Result<Fd> openat2(int dir, const std::string& path, uint64_t flags, uint64_t mode, uint64_t resolve);
  Result<Done> mkdirat(int dir, const std::string& name, mode_t mode);
  Result<Done> mknodat(int dir, const std::string& name, mode_t mode, unsigned major, unsigned minor);
  Result<Done> symlinkat(const std::string& target, int dir, const std::string& name);
  Result<Done> write(int fd, const std::string& text);

  // Mounts.
  Result<Done> mount(const char* source, const std::string& target, const char* type, unsigned long flags,
                     const char* data);
  Result<Fd> open_tree(int dir, const std::string& path, unsigned flags);
  Result<Done> mount_setattr(int fd, unsigned flags, uint64_t set, uint64_t propagation);
  Result<Done> move_mount(int from, int to);
  Result<Done> umount2(const std::string& target, int flags);
  Result<Done> pivot_root(const std::string& new_root, const std::string& put_old);
  Result<Done> fchdir(int fd);
  Result<Done> chdir(const std::string& path);

  // The process itself.
  Result<Done> prctl(int option, const char* option_name, unsigned long value, const std::string& shown);
  Result<Done> setsid();
  Result<pid_t> fork();
  Result<Done> sethostname(const std::string& name);
  Result<Done> setns(int fd, int type, const char* type_name);
  Result<Done> setgroups(const std::vector<gid_t>& groups);
  Result<Done> setresgid(gid_t gid);
  Result<Done> setresuid(uid_t uid);
  Result<Done> capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);
  Result<Done> prlimit(int resource, const std::string& name, const rlimit64& limit);
  Result<Done> seccomp_filter(const sock_fprog& program);
  Result<Done> execve(const std::string& path, char* const* argv, char* const* env);
  // A call that succeeds leaves nobody to tell of it, so it is told before; the daemon believes it when it
  // happened.
  void announce_execve(const std::string& path, char* const* argv, char* const* env);
  mode_t umask(mode_t mask);

  // Descriptors.
  Result<Done> close_range(unsigned first, unsigned flags);
  Result<Done> dup3(int from, int to);
  Result<Done> fchown(int fd, uid_t uid, gid_t gid);
  Result<int> ioctl(int fd, unsigned long request, const char* request_name, unsigned long arg,
                    const std::string& shown);

  // One rtnetlink request whose outcome `error` came back in an acknowledgement.
  void note_netlink(int fd, std::string message, int error, int64_t at);

  std::vector<Call> take_calls();
  uint64_t take_more();

 private:
  template <class Ask>
  Result<long> ask(const char* name, std::vector<std::string> args, Ask call);
  template <class Ask>
  Result<Done> run(const char* name, std::vector<std::string> args, Ask call);
  template <class Ask>
  Result<Fd> open(const char* name, std::vector<std::string> args, Ask call);
  void keep(Call call);

  std::vector<Call> calls_;
  uint64_t more_ = 0;
};

}  // namespace dockerinit
