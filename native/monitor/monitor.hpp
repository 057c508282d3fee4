// The supervision of one container: what the daemon may order when, and what happens at the end.
#pragma once

#include <cstdint>
#include <optional>

#include "clients.hpp"
#include "container.hpp"
#include "control.hpp"
#include "log.hpp"
#include "place.hpp"
#include "poll-set.hpp"
#include "teardown.hpp"

namespace monitor {

class Monitor {
 public:
  // Returns the exit code, unless the process becomes the teardown.
  int run();

 private:
  void turn();
  int timeout() const;

  void obey();
  bool obey(Fields& fields, std::string_view type);
  bool supervise(Fields& fields);
  void take_place(const std::string& lock, const std::string& folder, const std::string& log);
  bool clone(Fields& fields);
  bool console();
  bool resize(Fields& fields);
  bool own();
  bool bye();
  void refuse(const tsdock::Refusal& refusal);

  void move_output(const PollSet& polls);
  void move_stream(Stream stream);
  void notice_exit();
  bool drained() const;
  void report();
  bool over() const;
  std::int64_t drained_at() const;
  std::int64_t over_at() const;
  int finish();

  Control control_;
  Container container_;
  Clients clients_{container_};
  Log log_;
  tsdock::Fd folder_;
  Teardown teardown_;
  bool supervising_ = false;
  bool owned_ = false;
  bool dismissed_ = false;  // bye was said
  bool killed_ = false;
  bool reported_ = false;
  std::int64_t last_output_ = 0;
  std::int64_t closing_since_ = 0;  // reported, and the daemon is done with us
  char scratch_[32 * 1024];
};

}  // namespace monitor
