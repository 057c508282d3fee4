// A descriptor that is closed with its owner. Whatever dockerinit opens is held by one of these, so that no
// descriptor of the host's tree is left by an early return (CVE-2016-9962, CVE-2024-21626: a forgotten one is
// a way out).
#pragma once

#include <unistd.h>

#include <utility>

namespace dockerinit {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

}  // namespace dockerinit
