// removeTree: deletes what a container left behind, with a hostile tree in mind.
//
// Contract: nothing outside the named entry is touched. A symbolic link is removed, never followed; a
// directory where something is mounted is left alone and named as refused. Depth and width cost no stack and
// at most kOpenLevels descriptors. A refusal does not end the removal; the first one is the answer.

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <memory>
#include <optional>

#include "values.hpp"

namespace tsdock {

namespace {

constexpr std::size_t kOpenLevels = 32;
// Somebody who still creates files while we delete could keep us here for ever.
constexpr int kMostReadings = 4;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

struct Level {
  std::string name;
  std::unique_ptr<DIR, CloseDirectory> directory;
  std::vector<std::string> names;
  int readings = 0;
  bool refused = false;

  int fd() const { return ::dirfd(directory.get()); }
};

class Removal {
 public:
  explicit Removal(int base) : base_(base) {}

  std::optional<Refusal> run(const std::string& name) {
    remove_entry(base_, name);
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.names.empty()) {
        leave();
        continue;
      }
      const std::string next = std::move(level.names.back());
      level.names.pop_back();
      remove_entry(level.fd(), next);
    }
    return first_;
  }

 private:
  void refuse(const char* call) {
    if (!first_) first_ = Refusal{call, errno};
    if (!levels_.empty()) levels_.back().refused = true;
  }

  void remove_entry(int parent, const std::string& name) {
    if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR) return refuse("unlinkat");
    if (levels_.size() < kOpenLevels) return enter(parent, name);
    bring_up(parent, name);
  }

  // RESOLVE_NO_XDEV also sees bind mounts of the same file system, which st_dev does not.
  void enter(int parent, const std::string& name) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
    Fd fd(static_cast<int>(::syscall(SYS_openat2, parent, name.c_str(), &how, sizeof(how))));
    if (fd.get() < 0) return refuse("openat2");
    Level level;
    level.name = name;
    level.directory.reset(::fdopendir(fd.get()));
    if (!level.directory) return refuse("fdopendir");
    fd.release();
    levels_.push_back(std::move(level));
    read_names();
  }

  // A tree deeper than descriptors allow: its lower part becomes a child of the top. Both ends of the rename
  // are descriptors within the tree, so whatever is swapped underneath, nothing leaves it.
  void bring_up(int parent, const std::string& name) {
    for (;;) {
      std::string moved = ".ts-dock-removed-" + std::to_string(++moves_);
      if (::renameat2(parent, name.c_str(), levels_.front().fd(), moved.c_str(), RENAME_NOREPLACE) == 0) {
        levels_.front().names.push_back(std::move(moved));
        return;
      }
      if (errno != EEXIST) return refuse("renameat2");
    }
  }

  void read_names() {
    Level& level = levels_.back();
    ++level.readings;
    ::rewinddir(level.directory.get());
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(level.directory.get());
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name != "." && name != "..") level.names.push_back(std::move(name));
    }
    if (errno != 0) refuse("getdents64");
  }

  void leave() {
    const std::string name = levels_.back().name;
    const bool refused = levels_.back().refused;
    const int parent = levels_.size() > 1 ? levels_[levels_.size() - 2].fd() : base_;
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT) {
      const bool again = (errno == ENOTEMPTY || errno == EEXIST) && !refused;
      if (again && levels_.back().readings < kMostReadings) return read_names();
      refuse("unlinkat");
    }
    const bool passed_on = levels_.back().refused;
    levels_.pop_back();
    // Its parent cannot become empty either: reading that again would try everything again for nothing.
    if (passed_on && !levels_.empty()) levels_.back().refused = true;
  }

  int base_;
  std::vector<Level> levels_;
  std::optional<Refusal> first_;
  unsigned long moves_ = 0;
};

Napi::Value remove_tree(const Args& args) {
  const int base = args.descriptor(0);
  const std::string name = args.text(1);
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
    throw Napi::TypeError::New(args.env(), "removeTree takes one plain name");
  }
  const std::optional<Refusal> refusal = Removal(base).run(name);
  if (refusal) throw *refusal;
  return done(args);
}

}  // namespace

void offer_trees(Napi::Object& exports) { offer<remove_tree>(exports, "removeTree"); }

}  // namespace tsdock
