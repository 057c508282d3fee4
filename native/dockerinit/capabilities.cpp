// See capabilities.hpp.
#include "capabilities.hpp"

#include <fcntl.h>
#include <linux/magic.h>

#include <charconv>
#include <iterator>

#include "beneath.hpp"
#include "read-file.hpp"

namespace dockerinit {
namespace {

// By number, as in linux/capability.h.
constexpr std::string_view kNames[] = {"CHOWN",
                                       "DAC_OVERRIDE",
                                       "DAC_READ_SEARCH",
                                       "FOWNER",
                                       "FSETID",
                                       "KILL",
                                       "SETGID",
                                       "SETUID",
                                       "SETPCAP",
                                       "LINUX_IMMUTABLE",
                                       "NET_BIND_SERVICE",
                                       "NET_BROADCAST",
                                       "NET_ADMIN",
                                       "NET_RAW",
                                       "IPC_LOCK",
                                       "IPC_OWNER",
                                       "SYS_MODULE",
                                       "SYS_RAWIO",
                                       "SYS_CHROOT",
                                       "SYS_PTRACE",
                                       "SYS_PACCT",
                                       "SYS_ADMIN",
                                       "SYS_BOOT",
                                       "SYS_NICE",
                                       "SYS_RESOURCE",
                                       "SYS_TIME",
                                       "SYS_TTY_CONFIG",
                                       "MKNOD",
                                       "LEASE",
                                       "AUDIT_WRITE",
                                       "AUDIT_CONTROL",
                                       "SETFCAP",
                                       "MAC_OVERRIDE",
                                       "MAC_ADMIN",
                                       "SYSLOG",
                                       "WAKE_ALARM",
                                       "BLOCK_SUSPEND",
                                       "AUDIT_READ",
                                       "PERFMON",
                                       "BPF",
                                       "CHECKPOINT_RESTORE"};
static_assert(std::size(kNames) == 41);

uint64_t field(const std::string& status, const std::string& name) {
  uint64_t value = 0;
  const size_t at = status.find("\n" + name + ":\t");
  if (at == std::string::npos) return 0;
  const char* text = status.data() + at + name.size() + 3;
  std::from_chars(text, status.data() + status.size(), value, 16);
  return value;
}

}  // namespace

std::optional<unsigned> capability(std::string_view name) {
  for (unsigned number = 0; number < std::size(kNames); ++number) {
    if (kNames[number] == name) return number;
  }
  return std::nullopt;
}

std::string capability_name(unsigned number) {
  return number < std::size(kNames) ? "CAP_" + std::string(kNames[number]) : std::to_string(number);
}

Result<CapabilitySets> capability_sets(Kernel& kernel) {
  constexpr size_t kMax = 1 << 20;
  auto file = kernel.openat2(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, 0);
  if (!file) return file.failure();
  if (magic_of(file->get()) != PROC_SUPER_MAGIC) return refuse("fstatfs", {}, EINVAL, "/proc is not procfs");
  auto status = read_all(*file, kMax);
  if (!status) return status.failure();
  return CapabilitySets{field(*status, "CapInh"), field(*status, "CapPrm"), field(*status, "CapEff"),
                        field(*status, "CapBnd"), field(*status, "CapAmb")};
}

}  // namespace dockerinit
