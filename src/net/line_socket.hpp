#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/loop.hpp"

namespace chatixia::net {

// A Unix stream connection that carries lines. Writes are queued, bounded and batched; the queue
// is handed to the kernel when the loop's turn ends.
class LineConnection {
 public:
  struct Options {
    std::size_t line_bytes_max = 0;
    std::size_t queue_bytes_max = 0;
    // How long close() waits for a reader.
    Duration close_within = std::chrono::seconds(1);
  };
  // What the other side has not been handed.
  struct Unsent {
    std::vector<std::string> lines;
    bool is_cut = false;  // one line before them has left in part
  };
  // All optional, never called from within start(), send_line() or close(), and not after the
  // connection was destroyed, which any of them may do. `on_closed` is the last call, also after
  // close(), with the reason ("" when the other side left).
  struct Handlers {
    std::function<void(std::string_view line)> on_line;
    // The line was longer than allowed; its bytes are skipped up to the next newline.
    std::function<void()> on_oversized;
    std::function<void(std::string reason)> on_closed;
    // The queue fell below half after send_line() refused.
    std::function<void()> on_writable;
  };

  static Result<std::shared_ptr<LineConnection>> connect(Loop& loop, const std::string& path,
                                                         const Options& options);
  virtual ~LineConnection() = default;

  virtual void start(Handlers handlers) = 0;
  // Without the newline, and holding none. False when the queue is full or the connection closed:
  // the line was not taken.
  [[nodiscard]] virtual bool send_line(std::string_view line) = 0;
  virtual std::size_t queued_bytes() const = 0;
  // Empties the queue of a connection that has ended, or is closed next.
  virtual Unsent take_unsent() = 0;
  // Flushes what is queued for a moment, then closes.
  virtual void close() = 0;
};

// Listens on a Unix socket of mode 0600 in a directory that it makes with mode 0700 when it is
// missing, and accepts only processes of its own uid (SO_PEERCRED). Never follows a symlink at
// `path`, and takes over a path only if it is a socket of our uid at which nobody answers.
class LineServer {
 public:
  static Result<std::unique_ptr<LineServer>> listen(
      Loop& loop, const std::string& path, const LineConnection::Options& options,
      std::function<void(std::shared_ptr<LineConnection>)> on_connection);
  // Unlinks the path if it is still ours.
  virtual ~LineServer() = default;
};

}  // namespace chatixia::net
