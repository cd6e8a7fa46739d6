#pragma once

#include <deque>
#include <string>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "net/stream.hpp"
#include "net/task.hpp"
#include "net/websocket.hpp"

namespace chatixia::net {

// The state of a WebSocket; operations under way keep it alive after its handle.
class WebSocketCore : public std::enable_shared_from_this<WebSocketCore> {
 public:
  using Socket = boost::beast::websocket::stream<Stream, false>;  // without permessage-deflate

  WebSocketCore(Loop& loop, Stream stream, const WebSocket::Options& options,
                std::shared_ptr<void> slot);

  Socket& socket() { return socket_; }
  void start(WebSocket::Handlers handlers);
  bool send_text(std::string text);
  void close(std::uint16_t code, std::string reason);
  // The handle is gone: no further call, the other side hears 1001.
  void abandon();
  // Ends the connection without a word.
  void cut() { socket_.next_layer().close(); }

 private:
  static Task<void> read(std::shared_ptr<WebSocketCore> self);
  static Task<void> drain_stream(std::shared_ptr<WebSocketCore> self);
  void on_message();
  void on_read_error(const ErrorCode& error);
  void write_next();
  void write_close();
  void finish(std::uint16_t code, std::string reason);

  Loop& loop_;
  WebSocket::Options options_;
  Socket socket_;
  std::shared_ptr<void> slot_;
  std::shared_ptr<WebSocket::Handlers> handlers_;
  boost::beast::flat_buffer input_;
  std::deque<std::string> queue_;  // the front one is being written
  std::size_t queued_bytes_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  bool close_written_ = false;
  bool finished_ = false;
  std::uint16_t close_code_ = 0;
  std::string close_reason_;
  std::unique_ptr<Timer> linger_;
};

}  // namespace chatixia::net
