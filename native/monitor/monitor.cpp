// See monitor.hpp.
#include "monitor.hpp"

#include <algorithm>
#include <climits>
#include <utility>

#include "clock.hpp"

namespace monitor {

using tsdock::Fd;
using tsdock::Refusal;

namespace {

constexpr std::uint64_t kMostWords = 1 << 16;

// After the exit: how long something that still holds the container's pipes may be silent, and how long it
// may talk.
constexpr std::int64_t kSilence = 200 * kMillisecond;
constexpr std::int64_t kLongestDrain = 3 * kSecond;
// A short container may be over before the daemon has passed on the terminal, and its output is in there.
constexpr std::int64_t kConsoleOnItsWay = kSecond;
// When all is said: how long a client may take nothing, and how long all of them together.
constexpr std::int64_t kClientRest = kSecond;
constexpr std::int64_t kLongestRest = 10 * kSecond;

bool is_absolute(std::string_view path) { return path.starts_with('/'); }

bool take_words(Fields& fields, std::vector<std::string>& words) {
  const auto count = fields.next_number(kMostWords);
  if (!count) return false;
  for (std::uint64_t n = 0; n < *count; ++n) {
    if (!fields.more()) return false;
    words.emplace_back(fields.next());
  }
  return true;
}

}  // namespace

int Monitor::run() {
  while (!over()) turn();
  return finish();
}

void Monitor::turn() {
  PollSet polls;
  const std::size_t control = polls.add(control_.fd(), POLLIN);
  const std::size_t exit = container_.running() ? polls.add(container_.pidfd(), POLLIN) : polls.none();
  container_.enlist(polls, !clients_.behind() || !container_.running());
  clients_.enlist(polls);
  polls.wait(timeout());
  move_output(polls);
  container_.write_input(polls);
  clients_.serve(polls);
  if (polls.seen(control) != 0) obey();
  if (polls.seen(exit) != 0) notice_exit();
  // Nobody took the container over: it must not outlive who asked for it.
  if (!control_.open() && !owned_ && !std::exchange(killed_, true)) container_.kill();
  if (container_.exit() && !reported_ && drained()) report();
  clients_.flush();
  const bool done_with = dismissed_ || !control_.open();
  if (reported_ && done_with && closing_since_ == 0) closing_since_ = now();
}

// Only what the kernel does not wake us for: the waits after the exit, and a moment without descriptors.
int Monitor::timeout() const {
  std::int64_t until = INT64_MAX;
  if (container_.exit() && !reported_) until = drained_at();
  if (closing_since_ != 0) until = over_at();
  if (clients_.accepts_at() > now()) until = std::min(until, clients_.accepts_at());
  if (until == INT64_MAX) return -1;
  const std::int64_t left = (until - now() + kMillisecond - 1) / kMillisecond;
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

void Monitor::obey() {
  if (!control_.open() || !control_.receive()) return;
  Fields fields(control_.frame());
  const std::string_view type = fields.next();
  if (!obey(fields, type)) control_.end();
}

// False: unknown, malformed, or not now.
bool Monitor::obey(Fields& fields, std::string_view type) {
  const std::size_t expected = type == "clone" ? 2 : type == "console" ? 1 : 0;
  if (control_.descriptors().size() != expected) return false;
  if (type == "supervise") return !supervising_ && supervise(fields);
  if (type == "clone") return supervising_ && !container_.cloned() && clone(fields);
  if (type == "resize") return supervising_ && resize(fields);
  if (fields.more()) return false;
  if (type == "console") return container_.cloned() && container_.awaits_console() && !reported_ && console();
  if (type == "own") return container_.cloned() && !owned_ && own();
  return type == "bye" && bye();
}

bool Monitor::supervise(Fields& fields) {
  const std::string lock(fields.next());
  const std::string folder(fields.next());
  const std::string log(fields.next());
  const std::string_view mode = fields.next();
  const std::string_view input = fields.next();
  Teardown teardown;
  const bool paths = is_absolute(lock) && is_absolute(folder) && (log.empty() || is_absolute(log));
  const bool words = (mode == "tty" || mode == "pipes") && (input == "open" || input == "closed");
  if (!paths || !words) return false;
  if (!take_words(fields, teardown.words) || !take_words(fields, teardown.variables)) return false;
  if (fields.more() || teardown.words.empty() || !is_absolute(teardown.words[0])) return false;
  container_.configure(mode == "tty", input == "open");
  teardown_ = std::move(teardown);
  try {
    take_place(lock, folder, log);
  } catch (const Refusal& refusal) {
    give_up_lock();
    refuse(refusal);
    return true;
  }
  supervising_ = true;
  control_.send(Frame("supervising"));
  return true;
}

void Monitor::take_place(const std::string& lock, const std::string& folder, const std::string& log) {
  take_lock(lock.c_str());
  Fd opened = open_folder(folder.c_str());
  if (!log.empty()) log_.open(log.c_str());
  clients_.listen(listen_in(opened));
  folder_ = std::move(opened);
}

bool Monitor::clone(Fields& fields) {
  const auto flags = fields.next_number(UINT32_MAX);
  CloneOrder order{flags.value_or(0),
                   std::string(fields.next()),
                   {},
                   control_.descriptors()[0].get(),
                   control_.descriptors()[1].get()};
  while (fields.more()) order.argv.emplace_back(fields.next());
  // A flag that is no namespace's would let the child act on the monitor itself.
  if (!flags || (*flags & ~tsdock::kNamespaceFlags) != 0 || order.argv.empty()) return false;
  try {
    const pid_t pid = container_.clone(order);
    control_.send(Frame("cloned").add(pid), container_.pidfd());
  } catch (const Refusal& refusal) {
    refuse(refusal);
  }
  // The daemon's end of the pipe must be the only one besides the container's: its end of file says that init
  // exec'd.
  control_.descriptors().clear();
  return true;
}

bool Monitor::console() {
  last_output_ = now();
  return container_.take_console(std::move(control_.descriptors()[0]));
}

bool Monitor::resize(Fields& fields) {
  const auto rows = fields.next_number(UINT16_MAX);
  const auto columns = fields.next_number(UINT16_MAX);
  if (!rows || !columns || fields.more()) return false;
  container_.resize(static_cast<std::uint16_t>(*rows), static_cast<std::uint16_t>(*columns));
  return true;
}

bool Monitor::own() {
  owned_ = true;
  control_.send(Frame("owned"));
  return true;
}

// The daemon has the pidfd too and may know of the exit first.
bool Monitor::bye() {
  notice_exit();
  if (container_.running()) return false;
  dismissed_ = true;
  return true;
}

void Monitor::refuse(const Refusal& refusal) {
  control_.send(Frame("refused").add(std::string_view(refusal.call)).add(refusal.error));
}

void Monitor::move_output(const PollSet& polls) {
  for (const Stream stream : {Stream::out, Stream::err}) {
    // Asked again for each: the first one's may have been what was too much.
    if (container_.readable(polls, stream) && (!clients_.behind() || !container_.running())) {
      move_stream(stream);
    }
  }
}

void Monitor::move_stream(Stream stream) {
  bool ended = false;
  const std::string_view bytes = container_.read(stream, scratch_, sizeof scratch_, ended);
  if (!bytes.empty()) {
    last_output_ = now();
    log_.add(stream, bytes);
    clients_.output(stream, bytes);
  }
  if (ended) log_.end(stream);
}

void Monitor::notice_exit() {
  if (container_.look_for_exit()) last_output_ = now();
}

std::int64_t Monitor::drained_at() const {
  const std::int64_t exit = container_.exit()->at;
  const bool expected = container_.awaits_console() && control_.open() && !dismissed_;
  if (expected) return exit + kConsoleOnItsWay;
  return container_.outputs_ended() ? exit : std::min(last_output_ + kSilence, exit + kLongestDrain);
}

bool Monitor::drained() const { return now() >= drained_at(); }

void Monitor::report() {
  reported_ = true;
  for (const Stream stream : {Stream::out, Stream::err}) log_.end(stream);
  const Exit& exit = *container_.exit();
  record(folder_, exit);
  const Frame frame = Frame("exited")
                          .add(std::string_view(exit.how))
                          .add(exit.status)
                          .add(exit.user_time)
                          .add(exit.system_time)
                          .add(exit.at);
  clients_.tell_exit(frame);
  control_.send(frame);
}

std::int64_t Monitor::over_at() const {
  const std::int64_t rest = std::max(closing_since_, clients_.last_taken()) + kClientRest;
  return std::min(rest, closing_since_ + kLongestRest);
}

bool Monitor::over() const {
  if (!container_.cloned()) return dismissed_ || !control_.open();
  return closing_since_ != 0 && (clients_.settled() || now() >= over_at());
}

int Monitor::finish() {
  container_.reap();
  if (supervising_) forget_socket(folder_);
  if (!owned_ || dismissed_) return 0;
  become(teardown_);
  return 127;
}

}  // namespace monitor
