// dockerinit: the first process in the container's namespaces, and the one that joins them for `exec`. Runs
// the table of steps.hpp or of exec-steps.hpp, asking for permission before each step (native/PROTOCOL.md),
// and is the only place that turns a failure into a frame and an exit code.
//
//   native -console C -pipe 3 -root DIR -- CMD...    as the daemon starts it
//   exec -console C -pipe 3 -root DIR -- CMD...      the same in a container that runs: descriptor 4 is a
//   pidfd
//                                                    of its first process
//   exec-detached ...                                the same, and the program outlives the daemon
//   hold                                             keeps a terminal, see hold.hpp
//   shell ...                                        the debugger's shell, see shell.hpp
//   dockerinit --steps, dockerinit --exec-steps      print the tables as JSON
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <span>

#include "exec-steps.hpp"
#include "first-act.hpp"
#include "hold.hpp"
#include "shell.hpp"

namespace {

using namespace dockerinit;

constexpr int kFailed = 125;
constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;
constexpr int kTarget = 4;

struct Table {
  std::string_view stage;
  std::span<const Row> rows;
};

constexpr Table kInit{"init.", kSteps};
constexpr Table kExec{"exec.", kExecSteps};

std::vector<std::string> ids(const Table& table) {
  std::vector<std::string> all;
  for (const Row& row : table.rows) all.push_back(std::string(table.stage) + std::string(row.name));
  return all;
}

int print_steps(const Table& table, const char* folder) {
  const char* separator = "[";
  const std::vector<std::string> names = ids(table);
  for (size_t index = 0; index < names.size(); ++index) {
    const Row& row = table.rows[index];
    const bool shared = row.shared != 0;
    printf("%s{\"id\":\"%s\",\"number\":%d,\"file\":\"%s%03d-%s.cpp\"}", separator, names[index].c_str(),
           row.number, shared ? "steps/" : folder, shared ? row.shared : row.number,
           std::string(row.name).c_str());
    separator = ",\n ";
  }
  puts("]");
  return 0;
}

Report report(Init& init, std::string_view step) {
  return {step, init.start, now(), init.kernel.take_calls(), init.kernel.take_more(), std::move(init.notes)};
}

int exit_code(bool last, const Failure& failure) {
  if (failure.orphaned || !last) return kFailed;
  return failure.error == ENOENT ? kNotFound : kNotExecutable;
}

int give_up(Init& init, std::string_view step, bool last, const Failure& failure) {
  if (!failure.orphaned) init.pipe.fail(failure, report(init, step));
  return exit_code(last, failure);
}

// The reason is only said to a living daemon: with a dead one there is nobody, and stderr is the container's.
Status run_one(Init& init, Proofs& proofs, const Row& row, size_t index, std::string_view step) {
  init.start = now();
  if (auto entered = init.pipe.enter(step, init.start); !entered) return entered;
  if (auto permitted = init.pipe.wait_for_permission(index); !permitted) return permitted;
  init.start = now();
  init.notes.clear();
  try {
    if (auto done = row.run(init, proofs); !done) return done;
  } catch (const std::exception& exception) {
    return refuse("", {}, 0, std::string("dockerinit itself failed: ") + exception.what());
  }
  return init.pipe.leave(report(init, step));
}

int run_steps(const Table& table, int argc, char** argv, Fd target, bool outlives) {
  const size_t size = static_cast<size_t>(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
  const std::vector<std::string> names = ids(table);
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
            .start = 0,
            .target = std::move(target),
            .outlives = outlives};
  Proofs proofs;
  if (auto done = first_act(init); !done) return give_up(init, names[0], false, done.failure());
  for (size_t index = 0; index < names.size(); ++index) {
    if (auto done = run_one(init, proofs, table.rows[index], index, names[index]); !done) {
      return give_up(init, names[index], index + 1 == names.size(), done.failure());
    }
  }
  // The last step comes back only as a failure.
  return kFailed;
}

int as_started(int argc, char** argv) {
  const std::string_view name = argv[0];
  struct stat pipe {};
  if (fstat(Pipe::kFd, &pipe) != 0 || !S_ISSOCK(pipe.st_mode)) {
    fprintf(stderr, "dockerinit: descriptor 3 is not the daemon's socket\n");
    return kFailed;
  }
  if (name == "native") return run_steps(kInit, argc, argv, Fd(), false);
  if (fcntl(kTarget, F_GETFD) < 0) {
    fprintf(stderr, "dockerinit: descriptor 4 is not the container's process\n");
    return kFailed;
  }
  return run_steps(kExec, argc, argv, Fd(kTarget), name == "exec-detached");
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  if (argc == 2 && words[1] == "--steps") return print_steps(kInit, "");
  if (argc == 2 && words[1] == "--exec-steps") return print_steps(kExec, "exec-steps/");
  if (argc >= 1 && (words[0] == "native" || words[0] == "exec" || words[0] == "exec-detached"))
    return as_started(argc, argv);
  if (argc == 1 && words[0] == "hold") return hold();
  if (argc > 1 && words[0] == "shell") return shell(words);
  fprintf(stderr, "dockerinit: started by ts-dock as 'native', not by hand (try: dockerinit --steps)\n");
  return kFailed;
}
