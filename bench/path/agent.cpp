#include "path/agent.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace chatixia::bench {

namespace {

int try_connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

Agent::Agent(const std::string& path) {
  for (int attempt = 0; (fd_ = try_connect(path)) < 0; ++attempt) {
    if (attempt == 1000) {
      fmt::print(stderr, "{}: {}\n", path, std::strerror(errno));
      std::exit(1);
    }
    usleep(10'000);
  }
  fcntl(fd_, F_SETFL, O_NONBLOCK);
}

Agent::~Agent() {
  close(fd_);
}

void Agent::queue_line(std::string_view line) {
  output_.append(line);
  output_.push_back('\n');
}

void Agent::queue_message(std::string_view peer, std::string_view message) {
  output_.append(R"({"type":"send","payload":{"target_peer":")");
  output_.append(peer);
  output_.append(R"(","message":)");
  output_.append(message);
  output_.append("}}\n");
}

void Agent::flush() {
  if (output_.empty()) return;
  const ssize_t written = send(fd_, output_.data(), output_.size(), MSG_NOSIGNAL);
  if (written > 0) output_.erase(0, static_cast<std::size_t>(written));
  if (written < 0 && errno != EAGAIN && errno != EINTR) closed_ = true;
}

void Agent::fill() {
  if (position_ > 0) {
    input_.erase(0, position_);
    searched_ -= position_;
    position_ = 0;
  }
  const ssize_t got = recv(fd_, chunk_.data(), chunk_.size(), 0);
  if (got > 0) input_.append(chunk_.data(), static_cast<std::size_t>(got));
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) closed_ = true;
}

void Agent::wait() {
  const short interest = output_.empty() ? POLLIN : POLLIN | POLLOUT;
  pollfd entry{.fd = fd_, .events = interest, .revents = 0};
  poll(&entry, 1, -1);
}

std::optional<std::string_view> Agent::next_line(bool may_wait) {
  flush();
  for (bool tried = false;; tried = true) {
    const std::size_t end = input_.find('\n', searched_);
    if (end != std::string::npos) {
      const auto line = std::string_view(input_).substr(position_, end - position_);
      position_ = searched_ = end + 1;
      return line;
    }
    searched_ = input_.size();
    if (closed_ || (tried && !may_wait)) return std::nullopt;
    if (tried) {
      wait();
      flush();
    }
    fill();
  }
}

void Agent::await_event(std::string_view type) {
  while (const auto line = next_line(true))
    if (is_event(*line, type)) return;
  fmt::print(stderr, "the sidecar went before an event {}\n", type);
  std::exit(1);
}

std::string_view inner_message(std::string_view line) {
  constexpr std::string_view key = R"("message":{)";
  if (!is_event(line, "message")) return {};
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return {};
  // Two braces close payload and event; the benchmark's events have nothing after the message.
  const std::size_t begin = at + key.size() - 1;
  return line.substr(begin, line.size() - begin - 2);
}

bool is_event(std::string_view line, std::string_view type) {
  constexpr std::string_view prefix = R"({"type":")";
  return line.starts_with(prefix) && line.substr(prefix.size()).starts_with(type) &&
         line.substr(prefix.size() + type.size()).starts_with('"');
}

std::string padded_message(std::string_view type, std::size_t size) {
  std::string message = fmt::format(
      R"({{"type":"{}","request_id":"","source_agent":"","target_agent":"","payload":{{"pad":")",
      type);
  constexpr std::string_view end = R"("}})";
  if (message.size() + end.size() < size) message.append(size - message.size() - end.size(), 'x');
  return message.append(end);
}

}  // namespace chatixia::bench
