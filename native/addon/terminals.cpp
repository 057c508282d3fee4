// Terminals: their size, their modes, and reading from one without waiting.

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstring>

#include "values.hpp"

namespace tsdock {

namespace {

// A process that is not in the foreground is stopped (SIGTTOU) when it changes a terminal: one that gives the
// modes back on its way out would hang there for ever.
class TerminalStopsIgnored {
 public:
  TerminalStopsIgnored() {
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &stops, &former_);
  }
  ~TerminalStopsIgnored() { pthread_sigmask(SIG_SETMASK, &former_, nullptr); }
  TerminalStopsIgnored(const TerminalStopsIgnored&) = delete;
  TerminalStopsIgnored& operator=(const TerminalStopsIgnored&) = delete;

 private:
  sigset_t former_;
};

void set_modes(int fd, const termios& modes) {
  const TerminalStopsIgnored guard;
  int answer;
  do {
    answer = ::tcsetattr(fd, TCSADRAIN, &modes);
  } while (answer < 0 && errno == EINTR);
  checked("tcsetattr", answer);
}

Napi::Value window_size(const Args& args) {
  winsize size{};
  checked("ioctl", ::ioctl(args.descriptor(0), TIOCGWINSZ, &size));
  Napi::Object answer = Napi::Object::New(args.env());
  answer.Set("rows", number(args, size.ws_row));
  answer.Set("columns", number(args, size.ws_col));
  return answer;
}

Napi::Value set_window_size(const Args& args) {
  winsize size{};
  size.ws_row = static_cast<unsigned short>(integer_of(args.value(1), "rows", 0, UINT16_MAX));
  size.ws_col = static_cast<unsigned short>(integer_of(args.value(2), "columns", 0, UINT16_MAX));
  checked("ioctl", ::ioctl(args.descriptor(0), TIOCSWINSZ, &size));
  return done(args);
}

// Node's own raw mode keeps the translation of line ends on output. The container's terminal has done that
// already, and a full-screen program that switched it off means what it writes.
Napi::Value make_raw(const Args& args) {
  const int fd = args.descriptor(0);
  termios modes{};
  checked("tcgetattr", ::tcgetattr(fd, &modes));
  termios raw = modes;
  ::cfmakeraw(&raw);
  set_modes(fd, raw);
  return buffer(args, {reinterpret_cast<const std::uint8_t*>(&modes), sizeof(modes)});
}

Napi::Value set_terminal_modes(const Args& args) {
  const auto bytes = args.bytes(1);
  termios modes{};
  if (bytes.size() != sizeof(modes))
    throw Napi::TypeError::New(args.env(), "argument 2 must be what makeRaw answered");
  std::memcpy(&modes, bytes.data(), sizeof(modes));
  set_modes(args.descriptor(0), modes);
  return done(args);
}

Napi::Value is_terminal(const Args& args) {
  return Napi::Boolean::New(args.env(), ::isatty(args.descriptor(0)) == 1);
}

Napi::Value stop_blocking(const Args& args) {
  const int fd = args.descriptor(0);
  const int flags = checked("fcntl", ::fcntl(fd, F_GETFL));
  checked("fcntl", ::fcntl(fd, F_SETFL, flags | O_NONBLOCK));
  return done(args);
}

Napi::Value read_now(const Args& args) {
  std::vector<std::uint8_t> bytes(args.bits(1));
  ssize_t got;
  do {
    got = ::read(args.descriptor(0), bytes.data(), bytes.size());
  } while (got < 0 && errno == EINTR);
  checked("read", got);
  return buffer(args, {bytes.data(), static_cast<std::size_t>(got)});
}

}  // namespace

void offer_terminals(Napi::Object& exports) {
  offer<window_size>(exports, "windowSize");
  offer<set_window_size>(exports, "setWindowSize");
  offer<make_raw>(exports, "makeRaw");
  offer<set_terminal_modes>(exports, "setTerminalModes");
  offer<is_terminal>(exports, "isTerminal");
  offer<stop_blocking>(exports, "nonblocking");
  offer<read_now>(exports, "read");
}

}  // namespace tsdock
