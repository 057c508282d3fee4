// See shell.hpp. Three processes: the first joins, the second has a pid inside and is the one to which
// orphans fall, the third becomes the shell and is the only one in the shell's cgroups, by which the daemon
// ends what it leaves behind.
#include "shell.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>

#include "fd.hpp"
#include "kernel.hpp"
#include "pipe.hpp"
#include "seccomp.hpp"

namespace dockerinit {
namespace {

constexpr int kFailed = 125;
constexpr int kTarget = 4;

struct Plan {
  std::vector<Fd> cgroups;
  bool tty = false;
  bool join = false;
  // What root may in there, if the programs are the image's.
  std::optional<uint64_t> jail;
  std::vector<std::string> command;
};

int failed(const char* what) {
  fprintf(stderr, "ts-dock: the shell cannot be opened: %s: %s\n", what, strerror(errno));
  return kFailed;
}

std::optional<Plan> plan_of(const std::vector<std::string>& words) {
  Plan plan;
  for (size_t at = 1; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (word == "--") {
      plan.command.assign(words.begin() + static_cast<ptrdiff_t>(at) + 1, words.end());
      if (plan.command.empty()) break;
      return plan;
    }
    if (word == "-tty") {
      plan.tty = true;
    } else if (word == "-join") {
      plan.join = true;
    } else if (word == "-jail" && at + 1 < words.size()) {
      const std::string& hex = words[++at];
      uint64_t kept = 0;
      if (std::from_chars(hex.data(), hex.data() + hex.size(), kept, 16).ec != std::errc()) break;
      plan.jail = kept;
    } else if (word == "-cgroup" && at + 1 < words.size()) {
      // Opened on the host, where they can be reached; written to by the third process, inside.
      plan.cgroups.emplace_back(open(words[++at].c_str(), O_WRONLY | O_CLOEXEC));
      if (plan.cgroups.back().get() < 0) return std::nullopt;
    } else {
      break;
    }
  }
  errno = EINVAL;
  return std::nullopt;
}

// False with errno. The master goes to the daemon and is closed here.
bool new_terminal(Fd& peer) {
  Fd master(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  int unlocked = 0;
  if (master.get() < 0 || ioctl(master.get(), TIOCSPTLCK, &unlocked) < 0) return false;
  peer = Fd(ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (peer.get() < 0) return false;
  return static_cast<bool>(Pipe({}).console(master.get()));
}

// The image's own shell runs in there, as soon as "/" is the image's, so it gets no more than the container
// would. The daemon says which it is; that it is not mistaken is looked at here.
bool join(const Plan& plan) {
  struct stat before {};
  struct stat after {};
  if (stat("/", &before) < 0) return false;
  if (setns(kTarget, CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID) < 0) return false;
  if (setns(kTarget, CLONE_NEWNS) < 0 || chdir("/") < 0 || stat("/", &after) < 0) return false;
  close(kTarget);
  const bool same = before.st_dev == after.st_dev && before.st_ino == after.st_ino;
  if (same || plan.jail) return true;
  errno = EPERM;
  return false;
}

bool confine(uint64_t kept) {
  size_t instructions = 0;
  Kernel kernel;
  for (unsigned long number = 0; number < 64; ++number) {
    if ((kept >> number & 1) != 0 || prctl(PR_CAPBSET_READ, number) != 1) continue;
    if (prctl(PR_CAPBSET_DROP, number) < 0) return false;
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return false;
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) return false;
  for (unsigned half = 0; half < 2; ++half) {
    data[half].permitted &= static_cast<uint32_t>(kept >> (32 * half));
    data[half].effective = data[half].permitted;
    data[half].inheritable = 0;
  }
  if (syscall(SYS_capset, &header, data) < 0) return false;
  return static_cast<bool>(install_deny_list(kernel, kept, &instructions));
}

bool settle_in(const Plan& plan, const Fd& peer) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (setsid() < 0) return false;
  for (const Fd& file : plan.cgroups) {
    if (write(file.get(), "0", 1) != 1) return false;
  }
  for (int fd = 0; plan.tty && fd <= 2; ++fd) {
    if (dup2(peer.get(), fd) < 0) return false;
  }
  if (plan.tty && ioctl(0, TIOCSCTTY, 0) < 0) return false;
  // Before the image's programs get anywhere near: no socket of the daemon's, no cgroup file.
  if (close_range(3, ~0U, 0) < 0) return false;
  umask(022);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  return !plan.jail || confine(*plan.jail);
}

[[noreturn]] void become(Plan& plan, const Fd& peer) {
  std::vector<char*> argv;
  for (std::string& word : plan.command) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (!settle_in(plan, peer)) _exit(failed(plan.command[0].c_str()));
  execvp(argv[0], argv.data());
  const int code = errno == ENOENT ? 127 : 126;
  failed(argv[0]);
  _exit(code);
}

// Nobody is left when this returns: neither the shell nor an orphan of its.
int look_after(pid_t shell, const Fd& daemon) {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) return 0;
    if (pid != shell) continue;
    const bool killed = WIFSIGNALED(status);
    const unsigned number = static_cast<unsigned>(killed ? WTERMSIG(status) : WEXITSTATUS(status));
    const unsigned char word[2] = {killed, static_cast<unsigned char>(number)};
    if (write(daemon.get(), word, sizeof word) != sizeof word) return kFailed;
  }
}

int second(Plan& plan, Fd& peer, const Fd& daemon) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t shell = fork();
  if (shell < 0) return failed("fork");
  if (shell == 0) become(plan, peer);
  peer.reset();
  plan.cgroups.clear();
  // It hears what is meant for the shell's terminal no longer; a terminal that hangs up must not end it
  // either.
  setsid();
  return look_after(shell, daemon);
}

}  // namespace

int shell(const std::vector<std::string>& words) {
  Fd daemon(Pipe::kFd);
  signal(SIGPIPE, SIG_IGN);
  const bool joins = fcntl(kTarget, F_GETFD) >= 0;
  if (close_range(joins ? 5U : 4U, ~0U, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0) return failed("prepare");
  auto plan = plan_of(words);
  if (!plan) return failed("arguments");
  Fd peer;
  if (plan->tty && !new_terminal(peer)) return failed("terminal");
  if (plan->join && !join(*plan)) return failed("setns");
  const pid_t inside = fork();
  if (inside < 0) return failed("fork");
  if (inside == 0) _exit(second(*plan, peer, daemon));
  peer.reset();
  int status = 0;
  while (waitpid(inside, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kFailed;
}

}  // namespace dockerinit
