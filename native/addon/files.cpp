// Files relative to a descriptor. Paths of a container's tree are hostile: the caller opens beneath a root
// once (openat2 with RESOLVE_*) and acts through the descriptor, so nothing here ever resolves more than one
// plain name.

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "values.hpp"

namespace tsdock {

namespace {

constexpr std::size_t kFirstRead = 4096;
constexpr int kAllSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr unsigned kMemfdExec = 0x10;  // MFD_EXEC, Linux 6.3; Debian 12's headers are older

Napi::Value open_beneath(const Args& args) {
  open_how how{};
  how.flags = args.wide(2) | O_CLOEXEC;
  how.mode = args.wide(3);
  how.resolve = args.wide(4);
  return number(args, checked("openat2", ::syscall(SYS_openat2, args.descriptor(0), args.text(1).c_str(),
                                                   &how, sizeof(how))));
}

Napi::Value make_directory(const Args& args) {
  checked("mkdirat", ::mkdirat(args.descriptor(0), args.text(1).c_str(), args.bits(2)));
  return done(args);
}

Napi::Value make_node(const Args& args) {
  const dev_t device = makedev(args.bits(3), args.bits(4));
  checked("mknodat", ::mknodat(args.descriptor(0), args.text(1).c_str(), args.bits(2), device));
  return done(args);
}

Napi::Value make_link(const Args& args) {
  checked("symlinkat", ::symlinkat(args.text(0).c_str(), args.descriptor(1), args.text(2).c_str()));
  return done(args);
}

Napi::Value read_link(const Args& args) {
  std::array<char, PATH_MAX> target;
  const ssize_t length = checked(
      "readlinkat", ::readlinkat(args.descriptor(0), args.text(1).c_str(), target.data(), target.size()));
  return Napi::String::New(args.env(), target.data(), static_cast<std::size_t>(length));
}

Napi::Value unlink_name(const Args& args) {
  checked("unlinkat", ::unlinkat(args.descriptor(0), args.text(1).c_str(), args.integer(2)));
  return done(args);
}

Napi::Value rename_name(const Args& args) {
  checked("renameat2", ::renameat2(args.descriptor(0), args.text(1).c_str(), args.descriptor(2),
                                   args.text(3).c_str(), args.bits(4)));
  return done(args);
}

Napi::Value change_owner(const Args& args) {
  checked("fchownat", ::fchownat(args.descriptor(0), args.text(1).c_str(), args.owner(2), args.owner(3),
                                 args.integer(4)));
  return done(args);
}

Napi::Value change_mode(const Args& args) {
  checked("fchmod", ::fchmod(args.descriptor(0), args.bits(1)));
  return done(args);
}

Napi::Value status(const Args& args) {
  struct stat found;
  checked("fstat", ::fstat(args.descriptor(0), &found));
  return status_of(args, found);
}

Napi::Value filesystem_type(const Args& args) {
  struct statfs found;
  checked("fstatfs", ::fstatfs(args.descriptor(0), &found));
  return number(args, found.f_type);
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// fdopendir takes the descriptor over and moves its offset: a fresh description of the same directory keeps
// the caller's own as it was, so that it can be listed again.
Napi::Value list_names(const Args& args) {
  Fd own(checked("openat", ::openat(args.descriptor(0), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(own.get()));
  if (!directory) throw Refusal{"fdopendir", errno};
  own.release();
  Napi::Array names = Napi::Array::New(args.env());
  for (std::uint32_t count = 0;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.Set(count++, name);
  }
  if (errno != 0) throw Refusal{"getdents64", errno};
  return names;
}

// st_size says nothing in /proc, and lies in a hostile file that grows: read until the end or `max`, growing
// as needed, so that a large `max` costs nothing for a small file.
Napi::Value read_start(const Args& args) {
  const int fd = args.descriptor(0);
  const std::size_t most = args.bits(1);
  std::vector<std::uint8_t> bytes;
  std::size_t filled = 0;
  while (filled < most) {
    if (filled == bytes.size()) bytes.resize(std::min(most, std::max(kFirstRead, 2 * filled)));
    const ssize_t got = ::pread(fd, bytes.data() + filled, bytes.size() - filled, static_cast<off_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    checked("pread64", got);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return buffer(args, {bytes.data(), filled});
}

Napi::Value write_bytes(const Args& args) {
  const int fd = args.descriptor(0);
  const auto bytes = args.bytes(1);
  ssize_t written;
  do {
    written = ::write(fd, bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  return number(args, checked("write", written));
}

// After EINTR the descriptor is gone on Linux; a second close could hit another thread's new one.
Napi::Value close_descriptor(const Args& args) {
  if (::close(args.descriptor(0)) < 0 && errno != EINTR) throw Refusal{"close", errno};
  return done(args);
}

// vm.memfd_noexec=1 makes memfds non-executable unless asked; kernels before 6.3 do not know the asking.
Fd new_memfd(const std::string& name) {
  constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int fd = ::memfd_create(name.c_str(), flags | kMemfdExec);
  if (fd < 0 && errno == EINVAL) fd = ::memfd_create(name.c_str(), flags);
  return Fd(checked("memfd_create", fd));
}

// The kernel answers EBUSY while somebody else, its own memory housekeeping among them, holds a page of the
// file for a moment. Seen about once in a thousand runs; it already waited 150 ms itself, so a few more tries
// are plenty.
int add_seals(int fd) {
  constexpr int kTries = 20;
  int answer = -1;
  for (int i = 0; i < kTries; ++i) {
    answer = ::fcntl(fd, F_ADD_SEALS, kAllSeals);
    if (answer == 0 || errno != EBUSY) break;
  }
  return answer;
}

// The container's init is this file, reachable for the container as /proc/1/exe: seals are what keeps a
// hostile program from writing through it into what the host executes next time (CVE-2019-5736).
Napi::Value sealed_copy(const Args& args) {
  const int source = args.descriptor(0);
  Fd copy = new_memfd(args.text(1));
  off_t offset = 0;
  for (;;) {
    const ssize_t moved = ::sendfile(copy.get(), source, &offset, 0x7ffff000);
    if (moved < 0 && errno == EINTR) continue;
    if (checked("sendfile", moved) == 0) break;
  }
  checked("fchmod", ::fchmod(copy.get(), 0500));
  checked("fcntl", add_seals(copy.get()));
  return number(args, copy.release());
}

Napi::Value get_seals(const Args& args) {
  return number(args, checked("fcntl", ::fcntl(args.descriptor(0), F_GET_SEALS)));
}

}  // namespace

void offer_files(Napi::Object& exports) {
  offer<open_beneath>(exports, "openat2");
  offer<make_directory>(exports, "mkdirat");
  offer<make_node>(exports, "mknodat");
  offer<make_link>(exports, "symlinkat");
  offer<read_link>(exports, "readlinkat");
  offer<unlink_name>(exports, "unlinkat");
  offer<rename_name>(exports, "renameat2");
  offer<change_owner>(exports, "fchownat");
  offer<change_mode>(exports, "fchmod");
  offer<status>(exports, "fstat");
  offer<filesystem_type>(exports, "fstatfs");
  offer<list_names>(exports, "readdir");
  offer<read_start>(exports, "readFd");
  offer<write_bytes>(exports, "writeFd");
  offer<close_descriptor>(exports, "close");
  offer<sealed_copy>(exports, "sealedCopy");
  offer<get_seals>(exports, "seals");
}

}  // namespace tsdock
