// See backlog.hpp.
#include "backlog.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace monitor {

namespace {

// Below this, giving pages back and getting them again would cost more than they are worth.
constexpr std::size_t kKept = 128 * 1024;

}  // namespace

// Address space without memory: pages come with the first client that lags.
bool Backlog::mapped() {
  if (bytes_ != nullptr) return true;
  void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  bytes_ = static_cast<char*>(memory);
  return true;
}

void Backlog::add(std::string_view bytes) {
  if (!mapped()) return;
  std::memcpy(bytes_ + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
  touched_ = std::max(touched_, end_);
}

void Backlog::drop(std::size_t count) {
  if (count == 0) return;
  end_ -= count;
  std::memmove(bytes_, bytes_ + count, end_);
  if (end_ > 0 || touched_ <= kKept) return;
  ::madvise(bytes_, kSize, MADV_DONTNEED);
  touched_ = 0;
}

}  // namespace monitor
