// See place.hpp.
#include "place.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdio>

namespace monitor {

using tsdock::checked;
using tsdock::Fd;
using tsdock::Refusal;

namespace {

constexpr char kSocket[] = "attach.sock";
constexpr char kExit[] = "exit.json";
constexpr char kNewExit[] = "exit.json.new";

struct flock second_byte() {
  struct flock region {};
  region.l_type = F_WRLCK;
  region.l_whence = SEEK_SET;
  region.l_start = 1;
  region.l_len = 1;
  return region;
}

}  // namespace

bool keep_place_for_lock() { return ::fcntl(0, F_DUPFD_CLOEXEC, kLock) == kLock; }

// First into its place, then locked: closing any descriptor of the file gives the lock up.
void take_lock(const char* path) {
  {
    const Fd file(checked("openat", ::open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)));
    checked("dup3", ::dup3(file.get(), kLock, O_CLOEXEC));
  }
  struct flock region = second_byte();
  if (::fcntl(kLock, F_SETLK, &region) == 0) return;
  // Both are allowed for "somebody has it"; the daemon shall need to know one only.
  throw Refusal{"fcntl", errno == EACCES ? EAGAIN : errno};
}

void give_up_lock() { ::dup3(0, kLock, O_CLOEXEC); }

// Who may write there could put another socket in the place of ours.
Fd open_folder(const char* path) {
  Fd folder(checked("openat", ::open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
  struct stat found {};
  checked("fstat", ::fstat(folder.get(), &found));
  if (found.st_uid != ::geteuid() || (found.st_mode & 077) != 0) throw Refusal{"fstat", EPERM};
  return folder;
}

// An address has room for 107 bytes, a root may have a longer path: so it is named through the descriptor.
Fd listen_in(const Fd& folder) {
  constexpr int kWaiting = 32;
  Fd socket(checked("socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  // bind takes the mode over from the socket.
  checked("fchmod", ::fchmod(socket.get(), 0600));
  forget_socket(folder);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder.get(), kSocket);
  checked("bind", ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  checked("listen", ::listen(socket.get(), kWaiting));
  return socket;
}

void forget_socket(const Fd& folder) { ::unlinkat(folder.get(), kSocket, 0); }

void record(const Fd& folder, const Exit& exit) {
  char text[320];
  const int size =
      std::snprintf(text, sizeof text,
                    "{\"how\":\"%s\",\"status\":%lld,\"userTime\":%lld,\"systemTime\":%lld,"
                    "\"at\":%lld,\"wall\":%lld}\n",
                    exit.how, static_cast<long long>(exit.status), static_cast<long long>(exit.user_time),
                    static_cast<long long>(exit.system_time), static_cast<long long>(exit.at),
                    static_cast<long long>(exit.wall));
  ::unlinkat(folder.get(), kNewExit, 0);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const Fd file(::openat(folder.get(), kNewExit, kFlags, 0600));
  if (file.get() < 0) return;
  if (::fchmod(file.get(), 0600) == 0 && ::write(file.get(), text, static_cast<std::size_t>(size)) == size) {
    ::renameat(folder.get(), kNewExit, folder.get(), kExit);
  } else {
    ::unlinkat(folder.get(), kNewExit, 0);
  }
}

}  // namespace monitor
