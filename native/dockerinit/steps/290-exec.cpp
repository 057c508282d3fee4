// init.exec: finds the program, says `ready`, and becomes it.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "../reaper.hpp"
#include "../steps.hpp"

namespace dockerinit {
namespace {

// errno of a file that cannot be the program, 0 for one that can. Docker's rule: a regular file with any x
// bit.
int unfit(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return errno;
  if (S_ISDIR(file.st_mode)) return EISDIR;
  return S_ISREG(file.st_mode) && (file.st_mode & 0111) != 0 ? 0 : EACCES;
}

std::string search_path(const std::vector<std::string>& environment) {
  for (const std::string& variable : environment) {
    if (variable.starts_with("PATH=")) return variable.substr(5);
  }
  return "";
}

// With the container's PATH, never init's own; a name with a slash is taken as it is, an empty element is the
// working directory.
Result<std::string> look_path(const std::string& name, const std::string& path) {
  if (name.find('/') != std::string::npos) {
    if (const int error = unfit(name); error != 0)
      return refuse("stat", {name}, error, "exec: \"" + name + "\"");
    return name;
  }
  for (size_t at = 0; !name.empty() && !path.empty() && at <= path.size();) {
    const size_t end = std::min(path.find(':', at), path.size());
    const std::string candidate = (end == at ? "." : path.substr(at, end - at)) + "/" + name;
    if (unfit(candidate) == 0) return candidate;
    at = end + 1;
  }
  return refuse("", {}, ENOENT, "exec: \"" + name + "\": executable file not found in $PATH");
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

// Ignored signals and the mask outlive execve; Node ignores SIGPIPE and a program would inherit that.
void reset_signals() {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

// After `ready` only execve is left, so everything that can still be refused is asked before it. The second
// sweep of descriptors is for what a step after init.close-on-exec may have opened.
Status exec(Init& init, const DescriptorsClosed&, const CapabilitiesDropped&, const InsideCwd&) {
  auto program = look_path(init.arguments.command[0], search_path(init.environment));
  if (!program) return program.failure();
  if (auto closed = init.kernel.close_range(Pipe::kFd + 1, 0); !closed) return closed;
  if (init.config.init) {
    if (auto child = become_reaper(init); !child) return child;
  }
  std::vector<char*> argv = pointers(init.arguments.command);
  std::vector<char*> environment = pointers(init.environment);
  init.note("program", *program);
  init.kernel.announce_execve(*program, argv.data(), environment.data());
  auto told = init.pipe.ready({"init.exec", init.start, now(), init.kernel.take_calls(),
                               init.kernel.take_more(), std::move(init.notes)});
  if (!told) return told;
  reset_signals();
  auto refused = init.kernel.execve(*program, argv.data(), environment.data());
  return refused.because("exec: \"" + init.arguments.command[0] + "\"");
}

}  // namespace dockerinit
