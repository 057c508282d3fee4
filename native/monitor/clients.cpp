// See clients.hpp.
#include "clients.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "clock.hpp"

namespace monitor {

using tsdock::Fd;

namespace {

constexpr std::size_t kBehind = 256 * 1024;
constexpr std::string_view kIn{"in\0", 3};

bool is_root(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

}  // namespace

// A client's hang-up is only waited for while it can be acted on: one that is gone but whose input the
// container cannot take yet is looked at again when it can.
void Clients::enlist(PollSet& polls) {
  const bool accepting = now() >= accepts_at_;
  listener_poll_ = accepting ? polls.add(listener_.get(), POLLIN) : polls.none();
  for (Client& client : clients_) {
    const bool reads = client.speaks && !container_.input_full();
    const int events = (reads ? POLLIN : 0) | (unsent(client) > 0 ? POLLOUT : 0);
    client.poll =
        events == 0 && !client.hears ? polls.none() : polls.add(client.fd.get(), static_cast<short>(events));
  }
}

void Clients::serve(const PollSet& polls) {
  for (Client& client : clients_) {
    const short seen = polls.seen(client.poll);
    if (client.here() && seen != 0) serve_one(client, seen);
  }
  // Last: a place that is free by now was another client's in this poll.
  if (polls.seen(listener_poll_) != 0) accept_one();
}

void Clients::serve_one(Client& client, short seen) {
  if ((seen & (POLLHUP | POLLERR | POLLNVAL)) != 0) client.hears = false;
  if ((seen & POLLIN) != 0 && client.speaks && !container_.input_full() && !receive(client)) forget(client);
  if (!client.hears && !client.speaks) forget(client);
}

void Clients::accept_one() {
  Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd.get() < 0) {
    // Without a descriptor to spare the connection stays where it is, and poll would tell of it without end.
    const bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
    if (exhausted) accepts_at_ = now() + 100 * kMillisecond;
    return;
  }
  const auto place = std::find_if(std::begin(clients_), std::end(clients_),
                                  [](const Client& client) { return !client.here(); });
  if (place == std::end(clients_) || !is_root(fd.get())) return;
  *place = Client{};
  place->fd = std::move(fd);
}

// False: it is to be forgotten.
bool Clients::receive(Client& client) {
  char bytes[Input::kAtOnce];
  const ssize_t got = ::recv(client.fd.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got > 0) return take(client, {bytes, static_cast<std::size_t>(got)});
  client.speaks = false;
  return true;
}

bool Clients::take(Client& client, std::string_view bytes) {
  while (!bytes.empty()) {
    if (client.raw > 0) {
      const std::string_view part = bytes.substr(0, client.raw);
      container_.push_input(part);
      client.raw -= part.size();
      bytes.remove_prefix(part.size());
    } else if (!gather(client, bytes)) {
      return false;
    }
  }
  return true;
}

// Takes from `bytes` what its frame still lacks. The bytes of an `in` are passed on as they come, so that no
// frame is ever held whole: all others are short.
bool Clients::gather(Client& client, std::string_view& bytes) {
  const auto complete_to = [&](std::size_t size) {
    const std::string_view part = bytes.substr(0, size - std::min(size, client.head_size));
    std::memcpy(client.head + client.head_size, part.data(), part.size());
    client.head_size += part.size();
    bytes.remove_prefix(part.size());
    return client.head_size >= size;
  };
  if (!complete_to(kPrefix)) return true;
  const std::size_t length = length_of(client.head);
  if (length == 0 || length > kLongestFrame) return false;
  if (!complete_to(kPrefix + std::min(length, kIn.size()))) return true;
  const char* body = client.head + kPrefix;
  if (length >= kIn.size() && std::string_view(body, kIn.size()) == kIn) {
    client.raw = length - kIn.size();
    client.head_size = 0;
    return client.attached && client.has_input;
  }
  if (kPrefix + length > sizeof client.head) return false;
  if (!complete_to(kPrefix + length)) return true;
  client.head_size = 0;
  return take_frame(client, {body, length});
}

bool Clients::take_frame(Client& client, std::string_view body) {
  Fields fields(body);
  const std::string_view type = fields.next();
  if (!client.attached) return type == "attach" && attach(client, fields);
  if (type == "resize") return resize(fields);
  if (type != "eof" || fields.more() || !client.has_input) return false;
  container_.end_input();
  return true;
}

bool Clients::attach(Client& client, Fields& fields) {
  const auto input = fields.next_number(1);
  if (!input || fields.more()) return false;
  client.attached = true;
  client.has_input = *input == 1;
  client.sent = backlog_.end();
  answer(client, Frame("attached").add(container_.tty() ? "tty" : "pipes").bytes());
  if (exited_) answer(client, exited_->bytes());
  return true;
}

bool Clients::resize(Fields& fields) {
  const auto rows = fields.next_number(UINT16_MAX);
  const auto columns = fields.next_number(UINT16_MAX);
  if (!rows || !columns || fields.more()) return false;
  container_.resize(static_cast<std::uint16_t>(*rows), static_cast<std::uint16_t>(*columns));
  return true;
}

void Clients::answer(Client& client, std::string_view bytes) {
  std::memcpy(client.answer + client.answer_size, bytes.data(), bytes.size());
  client.answer_size += bytes.size();
}

void Clients::output(Stream stream, std::string_view bytes) {
  if (std::none_of(std::begin(clients_), std::end(clients_), [](const Client& c) { return c.listens(); }))
    return;
  constexpr std::size_t kType = 4;
  char head[kPrefix + kType];
  put_length(head, kType + bytes.size());
  std::memcpy(head + kPrefix, stream == Stream::out ? "out" : "err", kType);
  make_room(sizeof head + bytes.size());
  backlog_.add({head, sizeof head});
  backlog_.add(bytes);
}

void Clients::tell_exit(const Frame& exited) {
  exited_ = exited;
  make_room(exited.bytes().size());
  backlog_.add(exited.bytes());
}

// While the container lives there is always room, since behind() stops its output. When it has ended, its
// pipes are emptied in any case: a client for which that is too much has not read for long.
void Clients::make_room(std::size_t size) {
  if (backlog_.room() >= size) return;
  drop_sent();
  while (backlog_.room() < size) {
    const auto slowest =
        std::min_element(std::begin(clients_), std::end(clients_),
                         [&](const Client& one, const Client& other) { return unsent(one) > unsent(other); });
    forget(*slowest);
    drop_sent();
  }
}

std::size_t Clients::unsent(const Client& client) const {
  return client.listens() ? client.answer_size + backlog_.end() - client.sent : 0;
}

std::size_t Clients::first_needed() const {
  std::size_t first = backlog_.end();
  for (const Client& client : clients_) {
    if (client.listens()) first = std::min(first, client.sent);
  }
  return first;
}

void Clients::drop_sent() {
  const std::size_t count = first_needed();
  backlog_.drop(count);
  for (Client& client : clients_) {
    if (client.listens()) client.sent -= count;
  }
}

bool Clients::behind() const {
  return std::any_of(std::begin(clients_), std::end(clients_),
                     [&](const Client& client) { return unsent(client) > kBehind; });
}

bool Clients::settled() const {
  return std::all_of(std::begin(clients_), std::end(clients_),
                     [&](const Client& client) { return unsent(client) == 0; });
}

void Clients::flush() {
  for (Client& client : clients_) {
    if (unsent(client) > 0) flush_one(client);
  }
  if (first_needed() == backlog_.end()) drop_sent();
}

void Clients::flush_one(Client& client) {
  std::size_t sent = 0;
  while (client.answer_size > 0) {
    if (!send_some(client, {client.answer, client.answer_size}, sent)) return;
    client.answer_size -= sent;
    std::memmove(client.answer, client.answer + sent, client.answer_size);
  }
  while (unsent(client) > 0) {
    if (!send_some(client, backlog_.from(client.sent), sent)) return;
    client.sent += sent;
  }
  // It was the last frame: the client may go on speaking, nobody listens.
  if (exited_) ::shutdown(client.fd.get(), SHUT_WR);
}

// False: nothing more now. A client that cannot be reached may have sent input before it left.
bool Clients::send_some(Client& client, std::string_view bytes, std::size_t& sent) {
  const ssize_t done = ::send(client.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (done >= 0) {
    sent = static_cast<std::size_t>(done);
    last_taken_ = now();
    return done > 0;
  }
  if (errno == EINTR || errno == EAGAIN) return false;
  client.hears = false;
  if (!client.speaks) forget(client);
  return false;
}

void Clients::forget(Client& client) { client = Client{}; }

}  // namespace monitor
