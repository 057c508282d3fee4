// The container as its parent has it: the process, its streams or its terminal.
//
// Contract: the monitor's ends do not block and are close-on-exec. The end of a stream is told once. The dead
// process stays a zombie until reap(): the daemon looks at its name to know whether it ever exec'd.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../shared/clone.hpp"
#include "input.hpp"
#include "log.hpp"
#include "place.hpp"
#include "poll-set.hpp"

namespace monitor {

struct CloneOrder {
  std::uint64_t flags;
  std::string cwd;
  std::vector<std::string> argv;
  int exe;
  int sync;
};

class Container {
 public:
  void configure(bool tty, bool input) {
    tty_ = tty;
    wants_input_ = input;
  }
  bool tty() const { return tty_; }
  bool cloned() const { return pidfd_.get() >= 0; }
  bool running() const { return cloned() && !exit_; }
  const std::optional<Exit>& exit() const { return exit_; }
  int pidfd() const { return pidfd_.get(); }

  // Throws Refusal. Returns the pid.
  pid_t clone(const CloneOrder& order);
  void kill();
  // True once, when it is found dead.
  bool look_for_exit();
  void reap();

  // False if it is no pty master.
  bool take_console(tsdock::Fd master);
  bool awaits_console() const { return tty_ && !had_console_; }
  void resize(std::uint16_t rows, std::uint16_t columns);

  bool input_full() const { return input_.full(); }
  void push_input(std::string_view bytes);
  void end_input();

  // With `reading` false the container's output is left where it is.
  void enlist(PollSet& polls, bool reading);
  bool readable(const PollSet& polls, Stream stream) const;
  void write_input(const PollSet& polls);
  // One read: bytes, or none at the end or if there is nothing yet; `ended` says which.
  std::string_view read(Stream stream, char* buffer, std::size_t size, bool& ended);
  bool outputs_ended() const;

 private:
  struct Window {
    std::uint16_t rows;
    std::uint16_t columns;
  };

  pid_t clone_with(const CloneOrder& order, std::vector<int> fds);
  const tsdock::Fd& input_target() const { return tty_ ? master_ : stdin_; }
  int output_of(Stream stream) const;
  void close_output(Stream stream);

  bool tty_ = false;
  bool wants_input_ = false;
  bool input_ended_ = false;
  bool had_console_ = false;
  bool terminal_ended_ = false;
  tsdock::Fd pidfd_;
  tsdock::Fd stdin_;
  tsdock::Fd outputs_[2];
  tsdock::Fd master_;
  std::optional<Window> window_;
  std::optional<Exit> exit_;
  Input input_;
  std::size_t places_[3] = {};
};

}  // namespace monitor
