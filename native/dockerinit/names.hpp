// Words for the numbers of system calls, as they stand in the man pages: what a card shows and strace prints.
#pragma once

#include <cstdint>
#include <string>

namespace dockerinit::names {

std::string quoted(const char* text);
std::string quoted(const std::string& text);
std::string descriptor(int fd);
std::string octal(uint64_t mode);
std::string mask(uint64_t mode);
std::string hex(uint64_t value);
std::string open_flags(uint64_t flags);
std::string resolve_flags(uint64_t flags);
std::string mount_flags(unsigned long flags);
std::string tree_flags(unsigned flags);
std::string setattr_flags(unsigned flags);
std::string mount_attributes(uint64_t attributes);
std::string umount_flags(int flags);
std::string file_type(uint64_t mode);

}  // namespace dockerinit::names
