// Names inside a hostile tree, turned into descriptors. The image decides what lies at every path, so nothing
// here is checked by path and used by path: it is opened once, looked at, and used through the descriptor.
// This pattern replaces the one behind CVE-2018-15664, 2019-19921, 2021-30465, 2024-45310, 2025-31133 and
// 2026-41579.
#pragma once

#include <cstdint>
#include <string>

#include "kernel.hpp"

namespace dockerinit {

// `name` directly in `dir`, made if it is missing: no link, no mount on it, a directory.
Result<Fd> ordinary_directory(Kernel& kernel, int dir, const std::string& name);

// What is now mounted on `name` in `dir` must be a filesystem of this magic; a mount elsewhere would not show
// here.
Result<Fd> mounted_directory(Kernel& kernel, int dir, const std::string& name, long magic);

// Opens O_PATH what a path of the container means inside `root`, or makes it there: a directory, or else an
// empty file. Links are followed, but never out of `root`; what is made is made component by component, never
// through a link.
Result<Fd> open_or_make(Kernel& kernel, int root, const std::string& path, bool directory);

// A name that mount(2) takes for a descriptor.
std::string path_of(int fd);

// The magic of fstatfs, 0 if it cannot be had.
long magic_of(int fd);

// True for the character device 1:3 and nothing else: not a link to it, not a file of that name.
bool is_null(int fd);

// The container's /dev/null as O_PATH, verified; for the steps after the pivot.
Result<Fd> open_null(Kernel& kernel);

}  // namespace dockerinit
