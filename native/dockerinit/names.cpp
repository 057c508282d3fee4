// See names.hpp. Unknown bits are never hidden: they follow in hexadecimal.
#include "names.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cstdio>
#include <span>

namespace dockerinit::names {
namespace {

struct Bit {
  uint64_t value;
  const char* name;
};

std::string joined(uint64_t flags, std::span<const Bit> bits) {
  std::string text;
  for (const Bit& bit : bits) {
    if ((flags & bit.value) != bit.value) continue;
    text += text.empty() ? bit.name : std::string("|") + bit.name;
    flags &= ~bit.value;
  }
  if (flags != 0) text += (text.empty() ? "" : "|") + hex(flags);
  return text.empty() ? "0" : text;
}

std::string formatted(const char* format, unsigned long long value) {
  char text[32];
  snprintf(text, sizeof text, format, value);
  return text;
}

constexpr Bit kOpen[] = {{O_TMPFILE, "O_TMPFILE"},   {O_PATH, "O_PATH"},         {O_WRONLY, "O_WRONLY"},
                         {O_RDWR, "O_RDWR"},         {O_CREAT, "O_CREAT"},       {O_EXCL, "O_EXCL"},
                         {O_NOCTTY, "O_NOCTTY"},     {O_NONBLOCK, "O_NONBLOCK"}, {O_DIRECTORY, "O_DIRECTORY"},
                         {O_NOFOLLOW, "O_NOFOLLOW"}, {O_CLOEXEC, "O_CLOEXEC"}};

constexpr Bit kResolve[] = {{RESOLVE_NO_XDEV, "RESOLVE_NO_XDEV"},
                            {RESOLVE_NO_MAGICLINKS, "RESOLVE_NO_MAGICLINKS"},
                            {RESOLVE_NO_SYMLINKS, "RESOLVE_NO_SYMLINKS"},
                            {RESOLVE_BENEATH, "RESOLVE_BENEATH"},
                            {RESOLVE_IN_ROOT, "RESOLVE_IN_ROOT"}};

constexpr Bit kMount[] = {
    {MS_RDONLY, "MS_RDONLY"}, {MS_NOSUID, "MS_NOSUID"},     {MS_NODEV, "MS_NODEV"},
    {MS_NOEXEC, "MS_NOEXEC"}, {MS_REMOUNT, "MS_REMOUNT"},   {MS_BIND, "MS_BIND"},
    {MS_REC, "MS_REC"},       {MS_PRIVATE, "MS_PRIVATE"},   {MS_SLAVE, "MS_SLAVE"},
    {MS_SHARED, "MS_SHARED"}, {MS_RELATIME, "MS_RELATIME"}, {MS_STRICTATIME, "MS_STRICTATIME"}};

constexpr Bit kTree[] = {{OPEN_TREE_CLONE, "OPEN_TREE_CLONE"},
                         {OPEN_TREE_CLOEXEC, "OPEN_TREE_CLOEXEC"},
                         {AT_RECURSIVE, "AT_RECURSIVE"},
                         {AT_EMPTY_PATH, "AT_EMPTY_PATH"}};

constexpr Bit kAttributes[] = {{MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"},
                               {MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"},
                               {MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"},
                               {MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"}};

constexpr Bit kUmount[] = {
    {MNT_FORCE, "MNT_FORCE"}, {MNT_DETACH, "MNT_DETACH"}, {UMOUNT_NOFOLLOW, "UMOUNT_NOFOLLOW"}};

}  // namespace

std::string quoted(const char* text) { return text == nullptr ? "NULL" : quoted(std::string(text)); }
std::string quoted(const std::string& text) { return '"' + text + '"'; }
std::string descriptor(int fd) { return fd == AT_FDCWD ? "AT_FDCWD" : std::to_string(fd); }
std::string octal(uint64_t mode) { return formatted("0%llo", mode); }
std::string mask(uint64_t mode) { return formatted("%03llo", mode); }
std::string hex(uint64_t value) { return formatted("0x%llx", value); }
std::string resolve_flags(uint64_t flags) { return joined(flags, kResolve); }
std::string mount_flags(unsigned long flags) { return joined(flags, kMount); }
std::string tree_flags(unsigned flags) { return joined(flags, kTree); }
std::string setattr_flags(unsigned flags) { return joined(flags, kTree); }
std::string mount_attributes(uint64_t attributes) { return joined(attributes, kAttributes); }
std::string umount_flags(int flags) { return joined(static_cast<uint64_t>(flags), kUmount); }

std::string open_flags(uint64_t flags) {
  const bool reads = (flags & (O_ACCMODE | O_PATH)) == 0;
  const std::string rest = joined(flags, kOpen);
  if (!reads) return rest;
  return rest == "0" ? "O_RDONLY" : "O_RDONLY|" + rest;
}

std::string file_type(uint64_t mode) {
  const char* type = S_ISCHR(mode)   ? "S_IFCHR"
                     : S_ISBLK(mode) ? "S_IFBLK"
                     : S_ISDIR(mode) ? "S_IFDIR"
                                     : "S_IFREG";
  return std::string(type) + "|" + octal(mode & 07777);
}

}  // namespace dockerinit::names
