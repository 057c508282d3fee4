// dockerinit: the first process in the container's namespaces. Runs the table of steps.hpp, asking for
// permission before each one (native/PROTOCOL.md), and is the only place that turns a failure into a frame
// and an exit code.
//
//   native -console C -pipe 3 -root DIR -- CMD...    as the daemon starts it
//   dockerinit --steps                               prints the table as JSON
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <exception>

#include "first-act.hpp"
#include "steps.hpp"

namespace {

using namespace dockerinit;

constexpr int kFailed = 125;
constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;
constexpr std::string_view kLast = "init.exec";

std::vector<std::string> ids() {
  std::vector<std::string> all;
  for (const Row& row : kSteps) all.push_back("init." + std::string(row.name));
  return all;
}

int print_steps() {
  const char* separator = "[";
  for (const Row& row : kSteps) {
    const std::string name(row.name);
    printf("%s{\"id\":\"init.%s\",\"number\":%d,\"file\":\"%03d-%s.cpp\"}", separator, name.c_str(),
           row.number, row.number, name.c_str());
    separator = ",\n ";
  }
  puts("]");
  return 0;
}

Report report(Init& init, std::string_view step) {
  return {step, init.start, now(), init.kernel.take_calls(), init.kernel.take_more(), std::move(init.notes)};
}

int exit_code(std::string_view step, const Failure& failure) {
  if (failure.orphaned || step != kLast) return kFailed;
  return failure.error == ENOENT ? kNotFound : kNotExecutable;
}

int give_up(Init& init, std::string_view step, const Failure& failure) {
  if (!failure.orphaned) init.pipe.fail(failure, report(init, step));
  return exit_code(step, failure);
}

// The reason is only said to a living daemon: with a dead one there is nobody, and stderr is the container's.
Status run_one(Init& init, Proofs& proofs, size_t index, std::string_view step) {
  init.start = now();
  if (auto entered = init.pipe.enter(step, init.start); !entered) return entered;
  if (auto permitted = init.pipe.wait_for_permission(index); !permitted) return permitted;
  init.start = now();
  init.notes.clear();
  try {
    if (auto done = kSteps[index].run(init, proofs); !done) return done;
  } catch (const std::exception& exception) {
    return refuse("", {}, 0, std::string("dockerinit itself failed: ") + exception.what());
  }
  return init.pipe.leave(report(init, step));
}

int run_steps(int argc, char** argv) {
  const size_t size = static_cast<size_t>(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
  const std::vector<std::string> names = ids();
  Init init{.kernel = {},
            .pipe = Pipe({names.begin(), names.end()}),
            .argv = {argv, argv + argc},
            .command_line = argv[0],
            .command_line_size = size,
            .arguments = {},
            .config = {},
            .environment = {},
            .network = {},
            .kept_capabilities = 0,
            .identity = {},
            .notes = {},
            .start = 0};
  Proofs proofs;
  if (auto done = first_act(init); !done) return give_up(init, names[0], done.failure());
  for (size_t index = 0; index < kSteps.size(); ++index) {
    if (auto done = run_one(init, proofs, index, names[index]); !done) {
      return give_up(init, names[index], done.failure());
    }
  }
  // init.exec comes back only as a failure.
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--steps") == 0) return print_steps();
  if (argc < 1 || strcmp(argv[0], "native") != 0) {
    fprintf(stderr, "dockerinit: started by ts-dock as 'native', not by hand (try: dockerinit --steps)\n");
    return kFailed;
  }
  struct stat pipe {};
  if (fstat(Pipe::kFd, &pipe) != 0 || !S_ISSOCK(pipe.st_mode)) {
    fprintf(stderr, "dockerinit: descriptor 3 is not the daemon's socket\n");
    return kFailed;
  }
  return run_steps(argc, argv);
}
