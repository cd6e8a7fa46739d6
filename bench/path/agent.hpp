#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chatixia::bench {

// The agent's end of the IPC with as little between the benchmark and the socket as can be: no
// event loop, no JSON parser. It knows the few lines that a benchmark sees.
class Agent {
 public:
  // Waits for the sidecar to make its socket; ends the process if it does not within 10 s.
  explicit Agent(const std::string& path);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Queues one line; flush() or wait_line() hands the queue to the kernel.
  void queue_line(std::string_view line);
  void queue_message(std::string_view peer, std::string_view message);
  std::size_t queued_bytes() const { return output_.size(); }
  // Writes as much as the kernel takes without waiting.
  void flush();

  // The next line, valid until the next call. Waits for it, writing meanwhile; nothing when the
  // sidecar has gone. Without `may_wait`, nothing also when no line is there.
  std::optional<std::string_view> next_line(bool may_wait);
  // Reads on until an event of this type has come; ends the process when the sidecar goes.
  void await_event(std::string_view type);
  // Sleeps until there is something to read, or room to write when output is queued.
  void wait();
  bool is_closed() const { return closed_; }

 private:
  void fill();

  int fd_ = -1;
  bool closed_ = false;
  std::vector<char> chunk_ = std::vector<char>(256 * 1024);  // what one read may bring
  std::string input_;
  std::size_t position_ = 0;
  std::size_t searched_ = 0;
  std::string output_;
};

// The mesh message inside a `message` event, its bytes as they came; empty for other lines.
std::string_view inner_message(std::string_view line);
// Whether the line is an event of this type.
bool is_event(std::string_view line, std::string_view type);
// A mesh message of `type` and of exactly `size` bytes, padded in its payload.
std::string padded_message(std::string_view type, std::size_t size);

}  // namespace chatixia::bench
