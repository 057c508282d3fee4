// See container.hpp.
#include "container.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "clock.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace monitor {

using tsdock::checked;
using tsdock::Fd;

namespace {

constexpr std::size_t kInputPlace = 2;

struct Pipe {
  Fd read;
  Fd write;
};

Pipe make_pipe() {
  int ends[2];
  checked("pipe2", ::pipe2(ends, O_CLOEXEC));
  return {Fd(ends[0]), Fd(ends[1])};
}

// Each end of a pipe is an open file of its own: the container's end goes on blocking.
void never_block(const Fd& fd) { checked("fcntl", ::fcntl(fd.get(), F_SETFL, O_NONBLOCK)); }

bool is_pty_master(int fd) {
  struct stat found {};
  int number;
  return ::fstat(fd, &found) == 0 && S_ISCHR(found.st_mode) && found.st_rdev == makedev(5, 2) &&
         ::ioctl(fd, TIOCGPTN, &number) == 0;
}

std::int64_t microseconds(const timeval& time) { return time.tv_sec * INT64_C(1'000'000) + time.tv_usec; }

const char* manner(int code) {
  if (code == CLD_EXITED) return "exited";
  return code == CLD_DUMPED ? "dumped" : "killed";
}

// The raw call, since glibc's waitid has no place for the resource usage.
bool wait_for(int pidfd, int options, siginfo_t& info, rusage& used) {
  info.si_pid = 0;
  const int all = WEXITED | WNOHANG | __WALL | options;
  return ::syscall(SYS_waitid, P_PIDFD, pidfd, &info, all, &used) == 0 && info.si_pid != 0;
}

}  // namespace

pid_t Container::clone(const CloneOrder& order) {
  if (tty_) return clone_with(order, {0, 0, 0, order.sync});
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  never_block(out.read);
  never_block(err.read);
  Pipe in;
  if (wants_input_) {
    in = make_pipe();
    never_block(in.write);
  }
  const int input = wants_input_ ? in.read.get() : 0;
  const pid_t pid = clone_with(order, {input, out.write.get(), err.write.get(), order.sync});
  stdin_ = std::move(in.write);
  outputs_[0] = std::move(out.read);
  outputs_[1] = std::move(err.read);
  // A client may have closed standard input before there was one.
  if (input_ended_) end_input();
  return pid;
}

pid_t Container::clone_with(const CloneOrder& order, std::vector<int> fds) {
  tsdock::Child child =
      tsdock::clone_program({order.exe, order.argv, {}, order.flags, order.cwd, std::move(fds)});
  pidfd_ = std::move(child.pidfd);
  return child.pid;
}

void Container::kill() {
  if (running()) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

bool Container::look_for_exit() {
  siginfo_t info{};
  rusage used{};
  if (!running() || !wait_for(pidfd_.get(), WNOWAIT, info, used)) return false;
  exit_ = Exit{manner(info.si_code),        info.si_status, microseconds(used.ru_utime),
               microseconds(used.ru_stime), now(),          wall() / kMillisecond};
  // Nobody reads it any more.
  input_.clear();
  input_ended_ = true;
  stdin_ = Fd();
  return true;
}

void Container::reap() {
  siginfo_t info{};
  rusage used{};
  if (exit_) wait_for(pidfd_.get(), 0, info, used);
}

bool Container::take_console(Fd master) {
  if (!is_pty_master(master.get())) return false;
  never_block(master);
  master_ = std::move(master);
  had_console_ = true;
  if (window_) resize(window_->rows, window_->columns);
  return true;
}

void Container::resize(std::uint16_t rows, std::uint16_t columns) {
  if (!tty_) return;
  window_ = Window{rows, columns};
  const winsize size{rows, columns, 0, 0};
  if (master_.get() >= 0) ::ioctl(master_.get(), TIOCSWINSZ, &size);
}

// Input that nobody will ever read is read from the clients and thrown away: it must not hold them up.
void Container::push_input(std::string_view bytes) {
  const bool wanted = tty_ ? !exit_ : wants_input_ && !input_ended_;
  if (wanted) input_.push(bytes);
}

void Container::end_input() {
  if (tty_) return;
  input_ended_ = true;
  if (input_.empty()) stdin_ = Fd();
}

int Container::output_of(Stream stream) const {
  if (!tty_) return outputs_[static_cast<int>(stream)].get();
  return stream == Stream::out && !terminal_ended_ ? master_.get() : -1;
}

// The master stays open when its output has ended: closing it would hang up a container that only has closed
// its side.
void Container::close_output(Stream stream) {
  if (tty_) {
    terminal_ended_ = true;
  } else {
    outputs_[static_cast<int>(stream)] = Fd();
  }
}

void Container::enlist(PollSet& polls, bool reading) {
  const bool writing = !input_.empty() && input_target().get() >= 0;
  const int out = reading ? output_of(Stream::out) : -1;
  const int err = reading ? output_of(Stream::err) : -1;
  places_[0] = polls.add(out, POLLIN);
  places_[1] = polls.add(err, POLLIN);
  places_[kInputPlace] = polls.add(writing ? input_target().get() : -1, POLLOUT);
}

bool Container::readable(const PollSet& polls, Stream stream) const {
  return polls.seen(places_[static_cast<int>(stream)]) != 0;
}

void Container::write_input(const PollSet& polls) {
  const int target = input_target().get();
  if (polls.seen(places_[kInputPlace]) == 0 || input_.empty() || target < 0) return;
  if (input_.send(target) == Input::Sent::refused) {
    input_.clear();
    // On a terminal it may be over in a moment; a pipe without a reader stays one.
    if (!tty_) input_ended_ = true;
  }
  if (!tty_ && input_ended_ && input_.empty()) stdin_ = Fd();
}

std::string_view Container::read(Stream stream, char* buffer, std::size_t size, bool& ended) {
  const ssize_t got = ::read(output_of(stream), buffer, size);
  // EIO from a terminal's master: the other side is closed, and all of it was read.
  ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
  if (ended) close_output(stream);
  return {buffer, got > 0 ? static_cast<std::size_t>(got) : 0};
}

bool Container::outputs_ended() const {
  if (tty_) return terminal_ended_ || master_.get() < 0;
  return outputs_[0].get() < 0 && outputs_[1].get() < 0;
}

}  // namespace monitor
