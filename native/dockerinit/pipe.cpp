// See pipe.hpp.
#include "pipe.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#define JSON_NO_IO
#include <nlohmann/json.hpp>

namespace dockerinit {

using nlohmann::json;

struct Pipe::Message {
  const json& value;
};

namespace {

std::string cut(const std::string& text) {
  return text.size() <= Pipe::kText ? text : text.substr(0, Pipe::kText);
}

json cut_all(const std::vector<std::string>& texts) {
  json list = json::array();
  for (const std::string& text : texts) list.push_back(cut(text));
  return list;
}

json call_list(const std::vector<Call>& calls) {
  json list = json::array();
  for (const Call& call : calls) {
    list.push_back({{"c", call.name},
                    {"a", cut_all(call.args)},
                    {"r", call.result},
                    {"e", call.error},
                    {"at", call.at},
                    {"ns", call.duration}});
  }
  return list;
}

json note_object(const Notes& notes) {
  json object = json::object();
  for (const auto& [name, note] : notes) {
    if (const auto* text = std::get_if<std::string>(&note)) {
      object[name] = cut(*text);
    } else {
      std::visit([&object, &key = name](const auto& value) { object[key] = value; }, note);
    }
  }
  return object;
}

// Names in the container are bytes, JSON is UTF-8: what is not is replaced rather than thrown over.
std::string dumped(const json& frame) { return frame.dump(-1, ' ', false, json::error_handler_t::replace); }

// A frame that grew past the limit (escapes can make six bytes of one) loses calls from its end, never its
// meaning.
std::string fitted(json frame) {
  std::string text = dumped(frame);
  while (text.size() > Pipe::kFrame && frame.contains("calls") && !frame["calls"].empty()) {
    auto& calls = frame["calls"];
    const size_t kept = calls.size() / 2;
    frame["more"] = frame["more"].get<uint64_t>() + calls.size() - kept;
    calls.erase(calls.begin() + static_cast<ptrdiff_t>(kept), calls.end());
    text = dumped(frame);
  }
  return text;
}

json report_frame(const char* type, const Report& report) {
  return {{"t", type},           {"start", report.start},
          {"at", report.at},     {"calls", call_list(report.calls)},
          {"more", report.more}, {"notes", note_object(report.notes)}};
}

Failure protocol_error(std::string detail) { return refuse("recvmsg", {"3"}, EPROTO, std::move(detail)); }

bool is_word(const json& value) {
  return value.is_string() && value.get_ref<const std::string&>().find('\0') == std::string::npos;
}

}  // namespace

Status Pipe::enter(std::string_view step, int64_t at) {
  return send(dumped({{"t", "enter"}, {"step", step}, {"at", at}}));
}

Status Pipe::leave(Report report) {
  json frame = report_frame("leave", report);
  frame["step"] = report.step;
  return send(fitted(std::move(frame)));
}

Status Pipe::ready(Report report) { return send(fitted(report_frame("ready", report))); }
Status Pipe::joined() { return send(R"({"t":"joined"})"); }
Status Pipe::console(int master) { return send(R"({"t":"console"})", master); }
Status Pipe::child(int pidfd) { return send(R"({"t":"child"})", pidfd); }

void Pipe::fail(const Failure& failure, Report report) {
  json frame = report_frame("fail", report);
  frame.erase("notes");
  frame["step"] = report.step;
  frame["call"] = failure.call;
  frame["args"] = cut_all(failure.args);
  frame["errno"] = failure.error;
  frame["detail"] = cut(failure.detail);
  // Nobody may be left to read it; the exit code says the rest.
  static_cast<void>(send(fitted(std::move(frame))));
}

Status Pipe::send(const std::string& text, int fd) {
  const uint32_t length = htonl(static_cast<uint32_t>(text.size()));
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  bytes += text;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    *header = {CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  while (part.iov_len > 0) {
    const ssize_t sent = sendmsg(kFd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return orphan();
    part.iov_base = static_cast<char*>(part.iov_base) + sent;
    part.iov_len -= static_cast<size_t>(sent);
    // The descriptor went with the first byte; sending it again would give the daemon a second one.
    message.msg_control = nullptr;
    message.msg_controllen = 0;
  }
  return Done{};
}

Status Pipe::fill(size_t size) {
  while (buffer_.size() < size) {
    char bytes[4096];
    // Plain recv: a descriptor that somebody sends along is dropped by the kernel, never received.
    const ssize_t got = recv(kFd, bytes, std::min(sizeof bytes, size - buffer_.size()), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return orphan();
    buffer_.append(bytes, static_cast<size_t>(got));
  }
  return Done{};
}

// One frame, exactly: nothing of the next one is read ahead, so the socket keeps what is not asked for yet.
Status Pipe::receive() {
  buffer_.clear();
  if (auto filled = fill(4); !filled) return filled;
  uint32_t length;
  memcpy(&length, buffer_.data(), sizeof length);
  length = ntohl(length);
  if (length == 0 || length > kFrame)
    return protocol_error("a frame of " + std::to_string(length) + " bytes");
  buffer_.clear();
  if (auto filled = fill(length); !filled) return filled;
  return take(buffer_);
}

Status Pipe::take(std::string_view text) {
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object() || !value.contains("t") || !value["t"].is_string()) {
    return protocol_error("a frame that is no object with a known type");
  }
  return take_message({value});
}

Status Pipe::take_message(const Message& message) {
  const json& value = message.value;
  const std::string type = value["t"];
  if (type == "go" && value.size() == 2 && value.contains("through") && is_word(value["through"])) {
    const auto step = std::find(steps_.begin(), steps_.end(), value["through"].get_ref<const std::string&>());
    if (step == steps_.end()) return protocol_error("a go through a step that does not exist");
    permitted_ = std::max(permitted_, static_cast<size_t>(step - steps_.begin()) + 1);
    return Done{};
  }
  if (type == "join" && value.size() == 2 && value.contains("files") && value["files"].is_array() && !join_) {
    const json& files = value["files"];
    if (!std::all_of(files.begin(), files.end(), is_word))
      return protocol_error("a join whose files are no names");
    join_ = files.get<std::vector<std::string>>();
    return Done{};
  }
  if (type == "network-state" && value.size() == 2 && value.contains("state") && value["state"].is_object() &&
      !network_) {
    network_.emplace();
    for (const auto& [key, word] : value["state"].items()) {
      std::string* field = key == "veth_host"    ? &network_->veth_host
                           : key == "veth_child" ? &network_->veth_child
                           : key == "ns_path"    ? &network_->ns_path
                                                 : nullptr;
      if (field == nullptr || !is_word(word)) return protocol_error("a network state with an unknown word");
      *field = word.get<std::string>();
    }
    return Done{};
  }
  return protocol_error("an unknown, repeated or malformed frame '" + cut(type) + "'");
}

Status Pipe::wait_for_permission(size_t step) {
  while (permitted_ <= step) {
    if (auto received = receive(); !received) return received;
  }
  return Done{};
}

Result<std::vector<std::string>> Pipe::wait_for_join() {
  while (!join_) {
    if (auto received = receive(); !received) return received.failure();
  }
  return *join_;
}

Result<NetworkState> Pipe::wait_for_network_state() {
  while (!network_) {
    if (auto received = receive(); !received) return received.failure();
  }
  return *network_;
}

Status Pipe::still_there() const {
  pollfd look{kFd, POLLRDHUP, 0};
  if (poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0) return orphan();
  return Done{};
}

}  // namespace dockerinit
