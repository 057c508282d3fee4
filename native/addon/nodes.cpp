// What archives bring to a name and to a file: links, times, attributes, places within a file.
//
// Contract: a name is one plain component and is never followed, so whatever a hostile tree has there, and
// whatever is exchanged in it between two calls, nothing outside the given directory is reached.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <array>
#include <limits>

#include "values.hpp"

namespace tsdock {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kFirstValue = 256;
// A list or a value that grows between asking for its size and reading it is asked for again, not for ever.
constexpr int kTries = 8;

std::string plain(const Args& args, std::size_t index) {
  std::string name = args.text(index);
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
    throw Napi::TypeError::New(args.env(), "a name must be one plain component");
  }
  return name;
}

// The xattr calls that take a directory's descriptor came with Linux 6.13. Before, this is the way: the first
// part is a link of the kernel's own to the open directory, which is where the descriptor points whatever has
// been renamed, and the name is the last part, which the l*xattr calls do not follow.
std::string through_descriptor(const Args& args, std::size_t index) {
  return "/proc/self/fd/" + std::to_string(args.descriptor(index)) + "/" + plain(args, index + 1);
}

Napi::Value join_name(const Args& args) {
  checked("linkat", ::linkat(args.descriptor(0), plain(args, 1).c_str(), args.descriptor(2),
                             plain(args, 3).c_str(), 0));
  return done(args);
}

std::array<timespec, 2> times_of(const Args& args, std::size_t index) {
  const Napi::Value value = args.value(index);
  if (!value.IsBigInt()) throw Napi::TypeError::New(args.env(), "a time must be a bigint");
  bool lossless = false;
  const std::int64_t nanoseconds = value.As<Napi::BigInt>().Int64Value(&lossless);
  if (!lossless) throw Napi::TypeError::New(args.env(), "a time must be a bigint of 64 bits");
  timespec time{};
  time.tv_sec = nanoseconds / kSecond;
  time.tv_nsec = nanoseconds % kSecond;
  if (time.tv_nsec < 0) {
    time.tv_sec -= 1;
    time.tv_nsec += kSecond;
  }
  return {time, time};
}

Napi::Value change_times_at(const Args& args) {
  const auto times = times_of(args, 2);
  checked("utimensat",
          ::utimensat(args.descriptor(0), plain(args, 1).c_str(), times.data(), AT_SYMLINK_NOFOLLOW));
  return done(args);
}

Napi::Value change_times(const Args& args) {
  checked("futimens", ::futimens(args.descriptor(0), times_of(args, 1).data()));
  return done(args);
}

Napi::Value status_at(const Args& args) {
  struct stat found;
  checked("newfstatat", ::fstatat(args.descriptor(0), plain(args, 1).c_str(), &found, AT_SYMLINK_NOFOLLOW));
  return status_of(args, found);
}

// glibc asks fchmodat2, and where the kernel does not have it goes through a descriptor that is only a path.
Napi::Value change_mode_at(const Args& args) {
  checked("fchmodat",
          ::fchmodat(args.descriptor(0), plain(args, 1).c_str(), args.bits(2), AT_SYMLINK_NOFOLLOW));
  return done(args);
}

Napi::Value set_attribute(const Args& args) {
  const auto value = args.bytes(2);
  checked("fsetxattr", ::fsetxattr(args.descriptor(0), args.text(1).c_str(), value.data(), value.size(), 0));
  return done(args);
}

Napi::Value set_attribute_at(const Args& args) {
  const std::string path = through_descriptor(args, 0);
  const auto value = args.bytes(3);
  checked("lsetxattr", ::lsetxattr(path.c_str(), args.text(2).c_str(), value.data(), value.size(), 0));
  return done(args);
}

template <typename Ask>
std::vector<char> sized(const char* call, Ask ask) {
  std::vector<char> bytes(kFirstValue);
  for (int tries = 0;; ++tries) {
    const ssize_t got = ask(bytes.data(), bytes.size());
    if (got >= 0) {
      bytes.resize(static_cast<std::size_t>(got));
      return bytes;
    }
    if (errno != ERANGE || tries == kTries) throw Refusal{call, errno};
    bytes.resize(static_cast<std::size_t>(checked(call, ask(nullptr, 0))) + kFirstValue);
  }
}

Napi::Value value_of(const Args& args, const std::vector<char>& bytes) {
  return buffer(args, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

Napi::Value names_of(const Args& args, const std::vector<char>& bytes) {
  Napi::Array names = Napi::Array::New(args.env());
  std::uint32_t count = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::string name(bytes.data() + at);
    names.Set(count++, name);
    at += name.size() + 1;
  }
  return names;
}

Napi::Value get_attribute(const Args& args) {
  const int fd = args.descriptor(0);
  const std::string name = args.text(1);
  return value_of(args, sized("fgetxattr", [&](char* into, std::size_t size) {
                    return ::fgetxattr(fd, name.c_str(), into, size);
                  }));
}

Napi::Value get_attribute_at(const Args& args) {
  const std::string path = through_descriptor(args, 0);
  const std::string name = args.text(2);
  return value_of(args, sized("lgetxattr", [&](char* into, std::size_t size) {
                    return ::lgetxattr(path.c_str(), name.c_str(), into, size);
                  }));
}

Napi::Value list_attributes(const Args& args) {
  const int fd = args.descriptor(0);
  return names_of(
      args, sized("flistxattr", [&](char* into, std::size_t size) { return ::flistxattr(fd, into, size); }));
}

Napi::Value list_attributes_at(const Args& args) {
  const std::string path = through_descriptor(args, 0);
  return names_of(args, sized("llistxattr", [&](char* into, std::size_t size) {
                    return ::llistxattr(path.c_str(), into, size);
                  }));
}

Napi::Value remove_attribute(const Args& args) {
  checked("fremovexattr", ::fremovexattr(args.descriptor(0), args.text(1).c_str()));
  return done(args);
}

Napi::Value remove_attribute_at(const Args& args) {
  const std::string path = through_descriptor(args, 0);
  checked("lremovexattr", ::lremovexattr(path.c_str(), args.text(2).c_str()));
  return done(args);
}

Napi::Value change_size(const Args& args) {
  checked("ftruncate", ::ftruncate(args.descriptor(0), static_cast<off_t>(args.wide(1))));
  return done(args);
}

// All of it: a disk that is full is an error here, never a short count that a caller forgets.
Napi::Value write_at(const Args& args) {
  const int fd = args.descriptor(0);
  const auto bytes = args.bytes(1);
  const auto offset = static_cast<off_t>(args.wide(2));
  for (std::size_t filled = 0; filled < bytes.size();) {
    const ssize_t got =
        ::pwrite(fd, bytes.data() + filled, bytes.size() - filled, offset + static_cast<off_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    checked("pwrite64", got);
    if (got == 0) throw Refusal{"pwrite64", EIO};
    filled += static_cast<std::size_t>(got);
  }
  return number(args, bytes.size());
}

// ENXIO is the kernel's word for "nothing more from here on": -1, as it is no failure.
template <int whence>
Napi::Value seek(const Args& args) {
  const off_t found = ::lseek(args.descriptor(0), static_cast<off_t>(args.wide(1)), whence);
  if (found < 0 && errno == ENXIO) return number(args, -1);
  return number(args, checked("lseek", found));
}

}  // namespace

Napi::Value status_of(const Args& args, const struct stat& found) {
  Napi::Object answer = Napi::Object::New(args.env());
  answer.Set("dev", number(args, found.st_dev));
  answer.Set("ino", number(args, found.st_ino));
  answer.Set("mode", number(args, found.st_mode));
  answer.Set("nlink", number(args, found.st_nlink));
  answer.Set("uid", number(args, found.st_uid));
  answer.Set("gid", number(args, found.st_gid));
  answer.Set("rdevMajor", number(args, major(found.st_rdev)));
  answer.Set("rdevMinor", number(args, minor(found.st_rdev)));
  answer.Set("size", number(args, found.st_size));
  answer.Set("blocks", number(args, found.st_blocks));
  answer.Set("mtime",
             Napi::BigInt::New(args.env(), static_cast<std::int64_t>(found.st_mtim.tv_sec) * kSecond +
                                               static_cast<std::int64_t>(found.st_mtim.tv_nsec)));
  return answer;
}

void offer_nodes(Napi::Object& exports) {
  offer<join_name>(exports, "linkat");
  offer<change_times_at>(exports, "utimensat");
  offer<change_times>(exports, "futimens");
  offer<status_at>(exports, "fstatat");
  offer<change_mode_at>(exports, "fchmodat");
  offer<set_attribute>(exports, "fsetxattr");
  offer<set_attribute_at>(exports, "setxattrat");
  offer<get_attribute>(exports, "fgetxattr");
  offer<get_attribute_at>(exports, "getxattrat");
  offer<list_attributes>(exports, "flistxattr");
  offer<list_attributes_at>(exports, "listxattrat");
  offer<remove_attribute>(exports, "fremovexattr");
  offer<remove_attribute_at>(exports, "removexattrat");
  offer<change_size>(exports, "ftruncate");
  offer<write_at>(exports, "pwrite");
  offer<seek<SEEK_DATA>>(exports, "seekData");
  offer<seek<SEEK_HOLE>>(exports, "seekHole");
}

}  // namespace tsdock
