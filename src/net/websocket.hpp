#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "net/loop.hpp"

namespace chatixia::net {

struct Url;

// One WebSocket, either side: text frames, one writer, a bounded queue.
class WebSocket {
 public:
  struct Options {
    std::size_t message_bytes_max = limits::signal_bytes_max;
    std::size_t queue_bytes_max = 4 * 1024 * 1024;
    // A ping after this much silence; without any answer for as long again, the connection ends.
    Duration ping_after = std::chrono::seconds(20);
    // How long a close may take: what is queued, the close frame, and the other side's answer.
    Duration close_within = std::chrono::seconds(5);
  };
  struct Handlers {
    std::function<void(std::string_view text)> on_text;
    // The last call. Code as in RFC 6455, section 7.4; 1006 when there was no close frame.
    std::function<void(std::uint16_t code, std::string reason)> on_closed;
  };

  virtual ~WebSocket() = default;
  // Once; nothing is read before. No handler is called from within start(), send_text() or close().
  virtual void start(Handlers handlers) = 0;
  // False: the queue is full; the connection closes with 1013, for the reader is too slow.
  virtual bool send_text(std::string text) = 0;
  // Sends what is queued and a close frame; on_closed follows within close_within. The code is one
  // that may be sent (1000 to 4999, but not 1004 to 1006 and 1015); of the reason, 123 bytes are.
  virtual void close(std::uint16_t code, std::string reason) = 0;

  // Connects to ws:// or wss://, with `bearer` as Authorization when not empty. `done` is called
  // exactly once; the error names the phase (resolve, connect, TLS, upgrade with its HTTP status).
  static void connect(Loop& loop, const Url& url, std::string bearer, const Options& options,
                      std::function<void(Result<std::shared_ptr<WebSocket>>)> done);
};

}  // namespace chatixia::net
