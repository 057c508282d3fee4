// Contract: see values.hpp.

#include "values.hpp"

#include <cmath>
#include <limits>

namespace tsdock {

namespace {

constexpr std::int64_t kLargestExact = (std::int64_t{1} << 53) - 1;

std::string position(std::size_t index) { return "argument " + std::to_string(index + 1); }

[[noreturn]] void wrong(const Napi::Value& value, const char* what, const char* expected) {
  throw Napi::TypeError::New(value.Env(), std::string(what) + " must be " + expected);
}

}  // namespace

std::string text_of(const Napi::Value& value, const char* what) {
  if (!value.IsString()) wrong(value, what, "a string");
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) wrong(value, what, "without NUL bytes");
  return text;
}

std::int64_t integer_of(const Napi::Value& value, const char* what, std::int64_t lowest,
                        std::int64_t highest) {
  if (!value.IsNumber()) wrong(value, what, "a number");
  const double given = value.As<Napi::Number>().DoubleValue();
  if (!(given >= static_cast<double>(lowest) && given <= static_cast<double>(highest)) ||
      std::trunc(given) != given) {
    wrong(value, what, "an integer in range");
  }
  return static_cast<std::int64_t>(given);
}

std::vector<std::string> texts_of(const Napi::Value& value, const char* what) {
  if (!value.IsArray()) wrong(value, what, "an array");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<std::string> texts;
  texts.reserve(array.Length());
  for (std::uint32_t n = 0; n < array.Length(); ++n) texts.push_back(text_of(array.Get(n), what));
  return texts;
}

std::vector<int> descriptors_of(const Napi::Value& value, const char* what) {
  if (!value.IsArray()) wrong(value, what, "an array");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<int> fds;
  fds.reserve(array.Length());
  for (std::uint32_t n = 0; n < array.Length(); ++n) {
    fds.push_back(static_cast<int>(integer_of(array.Get(n), what, 0, std::numeric_limits<int>::max())));
  }
  return fds;
}

std::string Args::text(std::size_t index) const { return text_of(info_[index], position(index).c_str()); }

int Args::integer(std::size_t index) const {
  using Limits = std::numeric_limits<int>;
  return static_cast<int>(integer_of(info_[index], position(index).c_str(), Limits::min(), Limits::max()));
}

// Negative ones reach the kernel too: AT_FDCWD is one, and EBADF is its answer to the others.
int Args::descriptor(std::size_t index) const { return integer(index); }

std::uint32_t Args::bits(std::size_t index) const {
  const auto most = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(integer_of(info_[index], position(index).c_str(), 0, most));
}

std::uint64_t Args::wide(std::size_t index) const {
  return static_cast<std::uint64_t>(integer_of(info_[index], position(index).c_str(), 0, kLargestExact));
}

std::uint32_t Args::owner(std::size_t index) const {
  const auto most = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(integer_of(info_[index], position(index).c_str(), -1, most));
}

bool Args::flag(std::size_t index) const {
  if (!info_[index].IsBoolean()) wrong(info_[index], position(index).c_str(), "a boolean");
  return info_[index].As<Napi::Boolean>().Value();
}

std::span<const std::uint8_t> Args::bytes(std::size_t index) const {
  const Napi::Value value = info_[index];
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    wrong(value, position(index).c_str(), "a Uint8Array");
  }
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

std::vector<int> Args::descriptors(std::size_t index) const {
  return descriptors_of(info_[index], position(index).c_str());
}

Napi::Value buffer(const Args& args, std::span<const std::uint8_t> bytes) {
  return Napi::Buffer<std::uint8_t>::Copy(args.env(), bytes.data(), bytes.size());
}

}  // namespace tsdock
