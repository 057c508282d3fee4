// init.umask: the file creation mask that the program starts with.
#include "../steps.hpp"

namespace dockerinit {

// init.devices set it to 0, and a program that inherited that would make files that everybody can write.
Status set_umask(Init& init) {
  init.kernel.umask(022);
  return Done{};
}

}  // namespace dockerinit
