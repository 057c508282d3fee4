// Starts a program in new namespaces from a process with many threads and much memory (Node, the monitor).
//
// Contract: on return the child has executed its program, or nothing is left of it and `error` says which
// call failed in it. Descriptor n of the child is fds[n]; it has no other. Call it on the main thread only:
// the parent-death signal follows the thread that cloned, not the process. No Node dependency, no allocation
// in the child.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fd.hpp"

namespace tsdock {

struct CloneRequest {
  int exe = -1;
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::uint64_t flags = 0;  // CLONE_NEW* only
  std::string cwd;
  std::vector<int> fds;
  bool detached = false;  // outlives the caller, in a session of its own
};

struct Child {
  pid_t pid;
  Fd pidfd;
};

// The namespace flags that a request may carry. Anything else (CLONE_FILES, CLONE_SIGHAND, CLONE_PARENT...)
// would let the child's preparations act on the caller itself.
extern const std::uint64_t kNamespaceFlags;

// Throws Refusal.
Child clone_program(const CloneRequest& request);

}  // namespace tsdock
