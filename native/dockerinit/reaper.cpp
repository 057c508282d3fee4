// See reaper.hpp.
#include "reaper.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "fd.hpp"

namespace dockerinit {
namespace {

constexpr const char* kName = "ts-dock-init";

// What the kernel sends a process for its own mistakes; blocked, a mistake would repeat itself for ever.
constexpr int kOwnMistakes[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS};

sigset_t passed_on() {
  sigset_t all;
  sigfillset(&all);
  for (const int number : kOwnMistakes) sigdelset(&all, number);
  return all;
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Whether it is called as we are called. Where that cannot be seen, it is taken to be.
bool has_our_name(pid_t child) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/comm", child);
  const Fd file(open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct statfs system {};
  if (file.get() < 0 || fstatfs(file.get(), &system) != 0 || system.f_type != PROC_SUPER_MAGIC) return true;
  char theirs[32] = {};
  char ours[32] = {};
  if (read(file.get(), theirs, sizeof theirs - 1) <= 0) return true;
  prctl(PR_GET_NAME, ours);
  theirs[strcspn(theirs, "\n")] = '\0';
  return strcmp(theirs, ours) == 0;
}

// execve closes descriptors a moment before it changes the name, and a dying process a moment before it is
// dead: what is neither yet will be one of them soon. Who died with our name never was the program.
bool became_program(pid_t child) {
  for (;;) {
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT);
    if (!has_our_name(child)) return true;
    if (info.si_pid != 0) return false;
    usleep(50);
  }
}

// It names folders of the host, and everybody in the container can read /proc/1/cmdline: so before there is
// anybody.
void hide_command_line(const Init& init) {
  memset(init.command_line, 0, init.command_line_size);
  memcpy(init.command_line, kName, std::min(init.command_line_size, strlen(kName)));
}

[[noreturn]] void reap(pid_t child) {
  const sigset_t signals = passed_on();
  for (;;) {
    // A child that died before this line has left its SIGCHLD: all signals are blocked since before the fork.
    siginfo_t info{};
    const int number = sigwaitinfo(&signals, &info);
    if (number > 0 && number != SIGCHLD) kill(child, number);
    int status = 0;
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
      // The kernel ends all others in the namespace with us.
      if (ended == child) _exit(exit_code(status));
    }
  }
}

// `gone` reports the end of file when the program is executed, or the child has died: both close the other
// end.
[[noreturn]] void be_reaper(pid_t child, int gone) {
  char byte = 0;
  while (read(gone, &byte, 1) < 0 && errno == EINTR) {
  }
  if (became_program(child)) {
    prctl(PR_SET_NAME, kName);
    // The daemon's pipe too: its end of file says that the program runs, and now the daemon may look who we
    // are.
    ::close_range(0, ~0U, 0);
  }
  reap(child);
}

// A group of its own, in the foreground of the terminal: ^C would otherwise come twice, from it and from us.
void lead_group() {
  setpgid(0, 0);
  // Refused without a terminal, which is right. SIGTTOU is blocked.
  tcsetpgrp(STDIN_FILENO, getpid());
}

}  // namespace

Status become_reaper(Init& init) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return refuse("pipe2", {"O_CLOEXEC"}, errno, "cannot watch for execve");
  const Fd gone(ends[0]);
  const sigset_t signals = passed_on();
  sigset_t before;
  sigprocmask(SIG_BLOCK, &signals, &before);
  hide_command_line(init);
  auto child = init.kernel.fork();
  if (!child) {
    close(ends[1]);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return child.because("--init needs a process of its own beside the program");
  }
  if (*child == 0) {
    // The other end stays open until execve closes it, or our end.
    lead_group();
    init.note("reaper", true);
    return Done{};
  }
  close(ends[1]);
  be_reaper(*child, gone.get());
}

}  // namespace dockerinit
