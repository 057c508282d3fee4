// clone3 in vfork manner. The child borrows the caller's memory until exec, so everything between
// `child_main` and execveat works on prepared data only: no allocation, no locks, no exceptions, nothing that
// a signal could interrupt.

#include "clone.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace tsdock {

const std::uint64_t kNamespaceFlags =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUSER | CLONE_NEWCGROUP;

namespace {

constexpr std::size_t kStackSize = 64 * 1024;
constexpr std::size_t kGuardSize = 64 * 1024;  // one page on every page size that Linux has here
constexpr int kSignals = 64;
// The kernel's sigset, which glibc's is not: glibc also refuses to block or reset its two internal signals.
using KernelSigset = std::uint64_t;
constexpr std::size_t kSigsetSize = sizeof(KernelSigset);

struct ChildPlan {
  int exe;
  char* const* argv;
  char* const* env;
  const char* cwd;
  const int* fds;
  int* parked;  // as long as fds
  int fd_count;
  bool detached;
  // Written by the child, read by the parent after vfork's return: memory is shared, volatile keeps both
  // honest.
  const char* volatile failed_call;
  volatile int failed_errno;
};

class Stack {
 public:
  Stack() {
    base_ = ::mmap(nullptr, kStackSize + kGuardSize, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (base_ == MAP_FAILED) throw Refusal{"mmap", errno};
    // An overflow must kill the child, not write into a neighbouring mapping of the caller.
    ::mprotect(base_, kGuardSize, PROT_NONE);
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() { ::munmap(base_, kStackSize + kGuardSize); }
  std::uint64_t lowest() const { return reinterpret_cast<std::uint64_t>(base_) + kGuardSize; }

 private:
  void* base_;
};

// A handler of the caller that ran in the child would run on the caller's memory, with the child's
// descriptors.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    const KernelSigset all = ~KernelSigset{0};
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, kSigsetSize);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, kSigsetSize); }

 private:
  KernelSigset before_ = 0;
};

// The child comes out of the system call on an empty stack, where no compiled return could succeed: it calls
// `run` and ends. Only registers that the kernel preserves carry anything over.
long clone3_and_run(clone_args* args, int (*run)(void*), void* context) {
#if defined(__x86_64__)
  long result = SYS_clone3;
  register int (*run_in)(void*) __asm__("r8") = run;
  register void* context_in __asm__("r9") = context;
  __asm__ volatile(
      "syscall\n\t"
      "testq %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xorl %%ebp, %%ebp\n\t"
      "movq %%r9, %%rdi\n\t"
      "callq *%%r8\n\t"
      "movl %%eax, %%edi\n\t"
      "movl %[exit], %%eax\n\t"
      "syscall\n\t"
      "ud2\n\t"
      "1:"
      : "+a"(result)
      : "D"(args), "S"(sizeof(*args)), "r"(run_in), "r"(context_in), [exit] "i"(SYS_exit)
      : "rcx", "r11", "cc", "memory");
  return result;
#elif defined(__aarch64__)
  register long number __asm__("x8") = SYS_clone3;
  register long result __asm__("x0") = reinterpret_cast<long>(args);
  register std::size_t size __asm__("x1") = sizeof(*args);
  register int (*run_in)(void*) __asm__("x2") = run;
  register void* context_in __asm__("x3") = context;
  __asm__ volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x0, x3\n\t"
      "blr x2\n\t"
      "mov x8, %[exit]\n\t"
      "svc #0\n\t"
      "brk #1\n\t"
      "1:"
      : "+r"(result)
      : "r"(number), "r"(size), "r"(run_in), "r"(context_in), [exit] "i"(SYS_exit)
      : "cc", "memory");
  return result;
#else
#error "ts-dock knows clone3 on x86-64 and aarch64 only"
#endif
}

[[noreturn]] void give_up(ChildPlan* plan, const char* call) {
  plan->failed_errno = errno;
  plan->failed_call = call;
  // Not exit(): the caller's atexit handlers and buffers are in this memory too.
  ::syscall(SYS_exit_group, 127);
  __builtin_unreachable();
}

// First all copies above the target range, then into place: a target may be another one's source (fds = [4,
// 0]).
void place_descriptors(ChildPlan* plan) {
  const int exe = ::fcntl(plan->exe, F_DUPFD_CLOEXEC, plan->fd_count);
  if (exe < 0) give_up(plan, "fcntl");
  plan->exe = exe;
  for (int n = 0; n < plan->fd_count; ++n) {
    plan->parked[n] = ::fcntl(plan->fds[n], F_DUPFD_CLOEXEC, plan->fd_count);
    if (plan->parked[n] < 0) give_up(plan, "fcntl");
  }
  for (int n = 0; n < plan->fd_count; ++n) {
    // dup3 without a flag leaves close-on-exec off, which Node sets on 0 to 2: else the container has no
    // stdio.
    if (::dup3(plan->parked[n], n, 0) < 0) give_up(plan, "dup3");
  }
  // Marked, not closed: the executable must be readable until execveat has it, and must not outlive it
  // (CVE-2019-5736, CVE-2024-21626). Node leaks high descriptors that it inherited, so the range is all of
  // them.
  if (::syscall(SYS_close_range, plan->fd_count, ~0U, CLOSE_RANGE_CLOEXEC) < 0) give_up(plan, "close_range");
}

// CLONE_CLEAR_SIGHAND resets handlers but keeps what is ignored, and Node ignores SIGPIPE: a container's `yes
// | head` would never end.
void reset_signals() {
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)();
    KernelSigset mask;
  } defaults = {SIG_DFL, 0, nullptr, 0};
  for (int number = 1; number <= kSignals; ++number) {
    ::syscall(SYS_rt_sigaction, number, &defaults, nullptr, kSigsetSize);
  }
  const KernelSigset none = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, kSigsetSize);
}

int child_main(void* context) {
  auto* plan = static_cast<ChildPlan*>(context);
  if (plan->detached) {
    if (::setsid() < 0) give_up(plan, "setsid");
  } else if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
    give_up(plan, "prctl");
  }
  if (::chdir(plan->cwd) < 0) give_up(plan, "chdir");
  place_descriptors(plan);
  reset_signals();
  ::syscall(SYS_execveat, plan->exe, "", plan->argv, plan->env, AT_EMPTY_PATH);
  give_up(plan, "execveat");
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  // execveat's prototype lacks const for historical reasons; it does not write.
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// A child that failed before exec is nobody's: the caller never learns its pid, so it is reaped here.
void reap(int pidfd) {
  siginfo_t info;
  while (::syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | __WALL, nullptr) < 0 && errno == EINTR) {
  }
}

}  // namespace

Child clone_program(const CloneRequest& request) {
  const std::vector<char*> argv = pointers(request.argv);
  const std::vector<char*> env = pointers(request.env);
  std::vector<int> parked(request.fds.size(), -1);
  ChildPlan plan{request.exe,
                 argv.data(),
                 env.data(),
                 request.cwd.c_str(),
                 request.fds.data(),
                 parked.data(),
                 static_cast<int>(request.fds.size()),
                 request.detached,
                 nullptr,
                 0};
  const Stack stack;
  int pidfd = -1;
  clone_args args{};
  args.flags = (request.flags & kNamespaceFlags) | CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = stack.lowest();
  args.stack_size = kStackSize;
  long pid;
  {
    const SignalsBlocked blocked;
    pid = clone3_and_run(&args, child_main, &plan);
  }
  if (pid < 0) throw Refusal{"clone3", static_cast<int>(-pid)};
  Fd owned(pidfd);
  if (plan.failed_call != nullptr) {
    reap(owned.get());
    throw Refusal{plan.failed_call, plan.failed_errno};
  }
  return Child{static_cast<pid_t>(pid), std::move(owned)};
}

}  // namespace tsdock
