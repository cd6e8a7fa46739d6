#include "path/streaming.hpp"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>

#include "path/figures.hpp"

namespace chatixia::bench {

namespace {

// Half of what a link may hold unsent, so that the window is never what limits a fast link.
constexpr std::size_t window_bytes = 2 * 1024 * 1024;
constexpr std::size_t acknowledged_bytes = window_bytes / 16;

std::string_view sender_of(std::string_view line) {
  constexpr std::string_view key = R"("from_peer":")";
  const std::size_t begin = line.find(key) + key.size();
  return line.substr(begin, line.find('"', begin) - begin);
}

bool has_type(std::string_view message, std::string_view type) {
  constexpr std::string_view prefix = R"({"type":")";
  return message.starts_with(prefix) && message.substr(prefix.size()).starts_with(type);
}

std::uint64_t received_count(std::string_view message) {
  constexpr std::string_view key = R"("received":)";
  const std::size_t begin = message.find(key) + key.size();
  std::uint64_t count = 0;
  std::from_chars(message.data() + begin, message.data() + message.size(), count);
  return count;
}

// Any error means that the figure would be of something else.
void refuse_error(std::string_view line) {
  if (!is_event(line, "error")) return;
  fmt::print(stderr, "the sidecar answered {}\n", line);
  std::exit(1);
}

[[noreturn]] void end_of_sidecar() {
  fmt::print(stderr, "the sidecar is gone\n");
  std::exit(1);
}

// Counts what was acknowledged; the sender's clock is the only one.
class Stream {
 public:
  Stream(Agent& agent, std::string peer, std::size_t size)
      : agent_(agent), peer_(std::move(peer)), message_(padded_message("x_data", size)) {}

  // Messages acknowledged within `seconds` from now.
  std::uint64_t run(double seconds) {
    const std::uint64_t before = acknowledged_;
    const auto start = Clock::now();
    while (seconds_since(start) < seconds) {
      fill();
      if (!read_acknowledgements()) agent_.wait();
    }
    return acknowledged_ - before;
  }

 private:
  // Until the window is full or the kernel takes no more; either way something will wake us.
  void fill() {
    constexpr std::size_t write_bytes = 128 * 1024;
    agent_.flush();
    while (has_room() && agent_.queued_bytes() == 0) {
      while (has_room() && agent_.queued_bytes() < write_bytes) {
        agent_.queue_message(peer_, message_);
        ++sent_;
      }
      agent_.flush();
    }
  }

  bool has_room() const { return (sent_ - acknowledged_) * message_.size() < window_bytes; }

  bool read_acknowledgements() {
    bool any = false;
    while (const auto line = agent_.next_line(false)) {
      refuse_error(*line);
      const std::string_view message = inner_message(*line);
      if (!has_type(message, "x_ack")) continue;
      acknowledged_ = received_count(message);
      any = true;
    }
    if (agent_.is_closed()) end_of_sidecar();
    return any;
  }

  Agent& agent_;
  const std::string peer_;
  const std::string message_;
  std::uint64_t sent_ = 0;
  std::uint64_t acknowledged_ = 0;
};

}  // namespace

void serve(Agent& agent) {
  std::uint64_t received = 0;
  std::size_t unacknowledged = 0;
  while (const auto line = agent.next_line(true)) {
    refuse_error(*line);
    const std::string_view message = inner_message(*line);
    if (has_type(message, "x_ping")) agent.queue_message(sender_of(*line), message);
    if (has_type(message, "x_begin")) received = 0;
    if (!has_type(message, "x_data")) continue;
    ++received;
    unacknowledged += message.size();
    if (unacknowledged < acknowledged_bytes) continue;
    unacknowledged = 0;
    agent.queue_message(sender_of(*line),
                        fmt::format(R"({{"type":"x_ack","payload":{{"received":{}}}}})", received));
  }
}

void ping(Agent& agent, const std::string& peer, int count, std::size_t size) {
  agent.await_event("peer_connected");
  const std::string message = padded_message("x_ping", size);
  std::vector<double> microseconds;
  for (int index = -count / 20; index < count; ++index) {
    const auto start = Clock::now();
    agent.queue_message(peer, message);
    for (;;) {
      const auto line = agent.next_line(true);
      if (!line) end_of_sidecar();
      refuse_error(*line);
      if (has_type(inner_message(*line), "x_ping")) break;
    }
    if (index >= 0) microseconds.push_back(seconds_since(start) * 1e6);
  }
  print_percentiles(microseconds);
}

void stream(Agent& agent, const std::string& peer, double seconds, std::size_t size,
            const std::vector<int>& sidecars) {
  agent.await_event("peer_connected");
  agent.queue_message(peer, R"({"type":"x_begin","payload":{}})");
  Stream data(agent, peer, size);
  data.run(seconds / 4);
  const double cpu_before = cpu_seconds(sidecars);
  const auto start = Clock::now();
  const std::uint64_t messages = data.run(seconds);
  const double elapsed = seconds_since(start);
  const double bytes = static_cast<double>(messages * size);
  fmt::print("{{\"messages_per_s\":{:.0f},\"mb_per_s\":{:.2f},\"cpu_s_per_gb\":{:.2f}}}\n",
             static_cast<double>(messages) / elapsed, bytes / elapsed / 1e6,
             (cpu_seconds(sidecars) - cpu_before) / bytes * 1e9);
}

}  // namespace chatixia::bench
