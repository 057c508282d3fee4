// Processes by descriptor: a pid alone may name somebody else by the time it is used.

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../shared/clone.hpp"
#include "values.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace tsdock {

namespace {

CloneRequest request_of(const Napi::Value& value) {
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), "clone takes a request object");
  const Napi::Object given = value.As<Napi::Object>();
  CloneRequest request;
  request.exe = static_cast<int>(integer_of(given.Get("exe"), "exe", 0, INT32_MAX));
  request.argv = texts_of(given.Get("argv"), "argv");
  request.env = texts_of(given.Get("env"), "env");
  request.flags = static_cast<std::uint64_t>(integer_of(given.Get("flags"), "flags", 0, INT64_C(1) << 52));
  request.cwd = text_of(given.Get("cwd"), "cwd");
  request.fds = descriptors_of(given.Get("fds"), "fds");
  request.detached = given.Get("detached").ToBoolean();
  if ((request.flags & ~kNamespaceFlags) != 0) {
    throw Napi::TypeError::New(value.Env(), "flags may hold CLONE_NEW* bits only");
  }
  return request;
}

Napi::Value clone_child(const Args& args) {
  // The parent-death signal fires when the cloning *thread* ends: from a worker, the container would die with
  // it.
  if (::gettid() != ::getpid()) throw Napi::Error::New(args.env(), "clone works on the main thread only");
  Child child = clone_program(request_of(args.value(0)));
  Napi::Object answer = Napi::Object::New(args.env());
  answer.Set("pid", child.pid);
  answer.Set("pidfd", child.pidfd.release());
  return answer;
}

Napi::Value open_pidfd(const Args& args) {
  return number(args, checked("pidfd_open", ::syscall(SYS_pidfd_open, args.integer(0), 0)));
}

Napi::Value signal_pidfd(const Args& args) {
  checked("pidfd_send_signal",
          ::syscall(SYS_pidfd_send_signal, args.descriptor(0), args.integer(1), nullptr, 0));
  return done(args);
}

const char* manner(int code) {
  if (code == CLD_EXITED) return "exited";
  return code == CLD_DUMPED ? "dumped" : "killed";
}

double microseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

// The raw call, since glibc's waitid has no place for the resource usage.
Napi::Value wait_pidfd(const Args& args) {
  const int options = WEXITED | WNOHANG | __WALL | (args.flag(1) ? WNOWAIT : 0);
  siginfo_t info{};
  rusage used{};
  checked("waitid", ::syscall(SYS_waitid, P_PIDFD, args.descriptor(0), &info, options, &used));
  if (info.si_pid == 0) return args.env().Null();
  Napi::Object answer = Napi::Object::New(args.env());
  answer.Set("how", manner(info.si_code));
  answer.Set("status", info.si_status);
  answer.Set("userTime", microseconds(used.ru_utime));
  answer.Set("systemTime", microseconds(used.ru_stime));
  answer.Set("maxRss", number(args, used.ru_maxrss));
  return answer;
}

Napi::Value close_on_exec_from(const Args& args) {
  checked("close_range", ::syscall(SYS_close_range, args.bits(0), ~0U, CLOSE_RANGE_CLOEXEC));
  return done(args);
}

Napi::Value send_signal(const Args& args) {
  checked("kill", ::kill(args.integer(0), args.integer(1)));
  return done(args);
}

Napi::Value change_umask(const Args& args) { return number(args, ::umask(args.bits(0))); }

}  // namespace

void offer_processes(Napi::Object& exports) {
  offer<clone_child>(exports, "clone");
  offer<open_pidfd>(exports, "pidfdOpen");
  offer<signal_pidfd>(exports, "pidfdSend");
  offer<wait_pidfd>(exports, "waitPidfd");
  offer<close_on_exec_from>(exports, "cloexecFrom");
  offer<send_signal>(exports, "kill");
  offer<change_umask>(exports, "umask");
}

}  // namespace tsdock
