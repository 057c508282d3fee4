// The control socket: the daemon that started the monitor, on descriptor 3.
//
// Contract: one frame at a time, with exactly the descriptors that were sent along with it. Whatever breaks
// the protocol ends the connection, as the end of file does; that is never an error of the monitor.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <string_view>
#include <vector>

#include "../shared/fd.hpp"
#include "frames.hpp"

namespace monitor {

class Control {
 public:
  static constexpr int kFd = 3;

  Control();
  bool open() const { return socket_.get() >= 0; }
  int fd() const { return socket_.get(); }
  void end();

  // One read. True: a frame is complete; it and its descriptors are valid until the next call.
  bool receive();
  std::string_view frame() const { return {buffer_.data() + kPrefix, buffer_.size() - kPrefix}; }
  std::vector<tsdock::Fd>& descriptors() { return descriptors_; }

  // An answer that does not fit into the socket is one that nobody reads: that ends the connection.
  void send(const Frame& frame, int fd = -1);

 private:
  bool read_some(std::size_t wanted);
  void keep_descriptors(msghdr& message);

  tsdock::Fd socket_{kFd};
  std::vector<char> buffer_;
  std::vector<tsdock::Fd> descriptors_;
  bool complete_ = false;
};

}  // namespace monitor
