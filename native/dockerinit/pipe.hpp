// The handshake with the daemon (native/PROTOCOL.md), init's side: frames out, permissions and messages in.
// What comes in is size-checked and parsed strictly, although the daemon is trusted: a confused one must be
// seen at once. End of file while waiting means that the daemon is dead; the caller gets an orphaned Failure
// and ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kernel.hpp"
#include "result.hpp"

namespace dockerinit {

// Small facts of a step that its card shows.
using Note = std::variant<std::string, int64_t, bool>;
using Notes = std::vector<std::pair<std::string, Note>>;

struct NetworkState {
  std::string veth_host;
  std::string veth_child;
  std::string ns_path;
};

// What a frame says about a step that was under way.
struct Report {
  std::string_view step;
  int64_t start = 0;
  int64_t at = 0;
  std::vector<Call> calls;
  uint64_t more = 0;
  Notes notes;
};

class Pipe {
 public:
  static constexpr int kFd = 3;
  static constexpr size_t kFrame = 65536;
  static constexpr size_t kText = 200;

  // `steps`: the ids in order; a `go` may name no other.
  explicit Pipe(std::vector<std::string_view> steps) : steps_(std::move(steps)) {}

  Status enter(std::string_view step, int64_t at);
  Status leave(Report report);
  Status ready(Report report);
  Status joined();
  Status console(int master);
  Status child(int pidfd);
  void fail(const Failure& failure, Report report);

  Status wait_for_permission(size_t step);
  Result<std::vector<std::string>> wait_for_join();
  Result<NetworkState> wait_for_network_state();
  // The last look before the point of no return: has the daemon hung up?
  Status still_there() const;

 private:
  Status send(const std::string& text, int fd = -1);
  Status receive();
  Status fill(size_t size);
  Status take(std::string_view text);
  // By reference so that only pipe.cpp needs to know JSON.
  struct Message;
  Status take_message(const Message& message);

  std::vector<std::string_view> steps_;
  std::string buffer_;
  // Steps [0, permitted_) may run.
  size_t permitted_ = 0;
  std::optional<std::vector<std::string>> join_;
  std::optional<NetworkState> network_;
};

}  // namespace dockerinit
