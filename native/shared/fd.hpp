// Descriptor ownership and kernel refusals, for everything native.
//
// Contract: an Fd closes what it owns, exactly once. A Refusal is what a system call said no with; it is
// thrown by checked() and caught where the answer leaves native code, so that no path between can forget to
// clean up.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace tsdock {

struct Refusal {
  const char* call;
  int error;
};

template <typename Result>
Result checked(const char* call, Result result) {
  if (result < 0) throw Refusal{call, errno};
  return result;
}

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = other.release();
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  // A destructor runs between a failed call and the reading of errno: it must not replace the reason.
  void reset() {
    const int kept = errno;
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    errno = kept;
  }

  int fd_ = -1;
};

}  // namespace tsdock
