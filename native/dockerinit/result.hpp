// What a step, and every kernel call, hands back: a value, or the Failure that main turns into a `fail`
// frame. A Failure always says which call the kernel refused (or that none was: errno 0) and one sentence for
// a person. Nothing below main decides what a failure means for the process.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace dockerinit {

struct Failure {
  std::string call;
  std::vector<std::string> args;
  int error = 0;
  std::string detail;
  // The daemon is gone: nobody is there to read a frame, so main ends without a word.
  bool orphaned = false;
};

// The value of a step that gives nothing but its effect.
struct Done {};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const Failure& failure() const { return std::get<1>(state_); }

  // errno of the refused call, 0 on success: for the few calls whose refusal is an answer (ENOENT, EEXIST).
  int error() const { return *this ? 0 : failure().error; }

  // The same failure with a sentence of its own; the call and errno stay what the kernel said.
  Failure because(std::string detail) const {
    Failure failure = this->failure();
    failure.detail = std::move(detail);
    return failure;
  }

 private:
  std::variant<T, Failure> state_;
};

using Status = Result<Done>;

// A refusal of our own: no kernel call failed, we looked at what it gave us and do not go on.
inline Failure refuse(std::string call, std::vector<std::string> args, int error, std::string detail) {
  return Failure{std::move(call), std::move(args), error, std::move(detail), false};
}

inline Failure orphan() { return Failure{"", {}, 0, "", true}; }

}  // namespace dockerinit
