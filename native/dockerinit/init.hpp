// What the steps share: the kernel port, the pipe, and the facts that earlier steps read for later ones. What
// a step may only do after another one is not here but in proofs.hpp.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "config.hpp"
#include "kernel.hpp"
#include "pipe.hpp"

namespace dockerinit {

// `native -console C -pipe N -root DIR -- CMD...`
struct Arguments {
  std::string root;
  std::vector<std::string> command;
};

// Whom the program runs as, found in the container's own user database.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string home = "/";
};

struct Init {
  Kernel kernel;
  Pipe pipe;
  std::vector<std::string> argv;
  // Where the kernel keeps the command line that others read, to be written over.
  char* command_line;
  size_t command_line_size;

  Arguments arguments;
  Config config;
  // The container's environment: data for the last step. Init's own stays empty.
  std::vector<std::string> environment;
  NetworkState network;
  // The capabilities that are kept: what was asked for and the host gives.
  uint64_t kept_capabilities = 0;
  Identity identity;

  // Facts of the step under way, for its card.
  Notes notes;
  // Of the step under way: since when it was permitted.
  int64_t start = 0;

  void note(std::string name, Note value) { notes.emplace_back(std::move(name), std::move(value)); }
};

}  // namespace dockerinit
