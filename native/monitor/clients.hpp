// Attach: the clients of attach.sock.
//
// Contract: only root, at most 32. A client that says what it may not is ended; one that is gone is
// forgotten; none can hold up anything but the container's own output, and that only while the container
// lives.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "../shared/fd.hpp"
#include "backlog.hpp"
#include "container.hpp"
#include "frames.hpp"
#include "poll-set.hpp"

namespace monitor {

class Clients {
 public:
  static constexpr std::size_t kMost = 32;

  explicit Clients(Container& container) : container_(container) {}
  void listen(tsdock::Fd listener) { listener_ = std::move(listener); }

  void enlist(PollSet& polls);
  void serve(const PollSet& polls);
  void output(Stream stream, std::string_view bytes);
  void tell_exit(const Frame& exited);
  // Sends what can be sent now.
  void flush();

  // Somebody has too much unsent: the container waits.
  bool behind() const;
  // Nobody has anything unsent.
  bool settled() const;
  // When a client last took something.
  std::int64_t last_taken() const { return last_taken_; }
  // When to try to accept again, after the kernel had no descriptor for us.
  std::int64_t accepts_at() const { return accepts_at_; }

 private:
  struct Client {
    tsdock::Fd fd;
    bool attached = false;
    bool has_input = false;
    bool speaks = true;   // its side is open
    bool hears = true;    // ours is
    std::size_t raw = 0;  // bytes of an `in` that are still to come
    char head[64];        // of the frame that is gathered
    std::size_t head_size = 0;
    char answer[160];
    std::size_t answer_size = 0;
    std::size_t sent = 0;  // place in the backlog
    std::size_t poll = 0;

    bool here() const { return fd.get() >= 0; }
    bool listens() const { return here() && attached && hears; }
  };

  void accept_one();
  void serve_one(Client& client, short seen);
  bool receive(Client& client);
  bool take(Client& client, std::string_view bytes);
  bool gather(Client& client, std::string_view& bytes);
  bool take_frame(Client& client, std::string_view body);
  bool attach(Client& client, Fields& fields);
  bool resize(Fields& fields);
  void answer(Client& client, std::string_view bytes);
  bool send_some(Client& client, std::string_view bytes, std::size_t& sent);
  void flush_one(Client& client);
  void forget(Client& client);
  std::size_t unsent(const Client& client) const;
  std::size_t first_needed() const;
  void make_room(std::size_t size);
  void drop_sent();

  Container& container_;
  tsdock::Fd listener_;
  std::size_t listener_poll_ = 0;
  Client clients_[kMost];
  Backlog backlog_;
  std::optional<Frame> exited_;
  std::int64_t last_taken_ = 0;
  std::int64_t accepts_at_ = 0;
};

}  // namespace monitor
