// See teardown.hpp.
#include "teardown.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "place.hpp"

namespace monitor {

namespace {

constexpr int kIgnored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGXFSZ};

// execve's prototype lacks const for historical reasons; it does not write.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

void ignore_signals() {
  for (const int number : kIgnored) ::signal(number, SIG_IGN);
}

void become(const Teardown& teardown) {
  for (const int number : kIgnored) ::signal(number, SIG_DFL);
  ::fcntl(kLock, F_SETFD, 0);
  ::execve(teardown.words[0].c_str(), pointers(teardown.words).data(), pointers(teardown.variables).data());
}

}  // namespace monitor
