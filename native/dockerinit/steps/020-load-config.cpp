// init.load-config: container.json beneath -root, at most 4 MiB, parsed strictly.
#include <fcntl.h>
#include <linux/openat2.h>

#include "../read-file.hpp"
#include "../steps.hpp"

namespace dockerinit {

Status load_config(Init& init) {
  constexpr size_t kMax = 4 << 20;
  auto root = init.kernel.openat2(AT_FDCWD, init.arguments.root, O_PATH | O_DIRECTORY, 0, 0);
  if (!root) return root.because("cannot open the folder of container.json");
  auto file = init.kernel.openat2(root->get(), "container.json", O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0,
                                  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (!file) return file.because("cannot open container.json");
  auto text = read_file(*file, kMax);
  if (!text) return text.because("container.json: " + text.failure().detail);
  auto config = parse_config(*text);
  if (!config) return config.failure();
  init.config = std::move(*config);
  init.note("bytes", static_cast<int64_t>(text->size()));
  init.note("mounts", static_cast<int64_t>(init.config.mounts.size()));
  init.note("tty", init.config.tty);
  return Done{};
}

}  // namespace dockerinit
