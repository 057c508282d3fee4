// Between JavaScript's values and the kernel's: typed arguments in, answers out.
//
// Contract: a wrong type, a fraction, a number out of range or a string with a NUL byte is the caller's bug
// and throws TypeError before any system call is made. A NUL would silently cut a path short of what was
// validated.
#pragma once

#include <napi.h>
#include <sys/stat.h>

#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "../shared/fd.hpp"

namespace tsdock {

std::string text_of(const Napi::Value& value, const char* what);
std::int64_t integer_of(const Napi::Value& value, const char* what, std::int64_t lowest,
                        std::int64_t highest);
std::vector<std::string> texts_of(const Napi::Value& value, const char* what);
std::vector<int> descriptors_of(const Napi::Value& value, const char* what);

class Args {
 public:
  explicit Args(const Napi::CallbackInfo& info) : info_(info) {}

  Napi::Env env() const { return info_.Env(); }
  Napi::Value value(std::size_t index) const { return info_[index]; }
  std::string text(std::size_t index) const;
  int descriptor(std::size_t index) const;
  int integer(std::size_t index) const;
  std::uint32_t bits(std::size_t index) const;
  std::uint64_t wide(std::size_t index) const;
  // uid_t or gid_t; -1 leaves it.
  std::uint32_t owner(std::size_t index) const;
  bool flag(std::size_t index) const;
  std::span<const std::uint8_t> bytes(std::size_t index) const;
  std::vector<int> descriptors(std::size_t index) const;

 private:
  const Napi::CallbackInfo& info_;
};

template <typename Value>
Napi::Value number(const Args& args, Value value) {
  return Napi::Number::New(args.env(), static_cast<double>(value));
}

inline Napi::Value done(const Args& args) { return number(args, 0); }

Napi::Value buffer(const Args& args, std::span<const std::uint8_t> bytes);

using Function = Napi::Value (*)(const Args&);

// What a Refusal becomes: the one place where a kernel's no turns into an answer.
template <Function call>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return call(Args(info));
  } catch (const Refusal& refusal) {
    Napi::Object answer = Napi::Object::New(info.Env());
    answer.Set("call", refusal.call);
    answer.Set("errno", refusal.error);
    return answer;
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    // Anything else that left the addon would end the process: too long an attribute, no memory, no thread.
    throw Napi::Error::New(info.Env(), error.what());
  }
}

template <Function call>
void offer(Napi::Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded<call>>(exports.Env(), name));
}

// stat(2) as `Stat` of binding.ts has it.
Napi::Value status_of(const Args& args, const struct stat& found);

void offer_files(Napi::Object& exports);
void offer_nodes(Napi::Object& exports);
void offer_trees(Napi::Object& exports);
void offer_mounts(Napi::Object& exports);
void offer_trials(Napi::Object& exports);
void offer_processes(Napi::Object& exports);
void offer_watch(Napi::Object& exports);
void offer_sockets(Napi::Object& exports);
void offer_locks(Napi::Object& exports);
void offer_network(Napi::Object& exports);
void offer_terminals(Napi::Object& exports);
void offer_zstd(Napi::Object& exports);

}  // namespace tsdock
