#include "net/websocket_core.hpp"

#include "base/assert.hpp"
#include "net/drain.hpp"

namespace chatixia::net {
namespace {

namespace websocket = boost::beast::websocket;

constexpr Duration opening_handshake_max = std::chrono::seconds(5);

// Memory that a large message took is given back above this.
constexpr std::size_t kept_capacity_max = 16 * 1024;

// RFC 6455, section 5.5: a control frame carries 125 bytes, of which the code takes two.
constexpr std::size_t reason_bytes_max = 123;

// Codes of section 7.4.1 that are only ever reported, or that the standard reserves.
bool may_be_sent(std::uint16_t code) {
  return code >= 1000 && code < 5000 && code != 1004 && code != 1005 && code != 1006 &&
         code != 1015;
}

std::string_view cut_reason(std::string_view reason) {
  if (reason.size() <= reason_bytes_max) return reason;
  std::size_t size = reason_bytes_max;
  // Not in the middle of a UTF-8 sequence.
  while (size > 0 && (static_cast<unsigned char>(reason[size]) & 0xc0) == 0x80) --size;
  return reason.substr(0, size);
}

// What the connection dies of when no close frame of the other side is the cause.
std::uint16_t code_of(const ErrorCode& error) {
  if (error == websocket::error::message_too_big || error == websocket::error::buffer_overflow)
    return websocket::close_code::too_big;
  if (error == websocket::error::bad_frame_payload) return websocket::close_code::bad_payload;
  if (error == websocket::condition::protocol_violation)
    return websocket::close_code::protocol_error;
  return websocket::close_code::abnormal;
}

}  // namespace

WebSocketCore::WebSocketCore(Loop& loop, Stream stream, const WebSocket::Options& options,
                             std::shared_ptr<void> slot)
    : loop_(loop), options_(options), socket_(std::move(stream)), slot_(std::move(slot)) {
  websocket::stream_base::timeout timeout{};
  timeout.handshake_timeout = opening_handshake_max;
  // Beast pings after half of the idle time and gives up after all of it.
  timeout.idle_timeout =
      std::chrono::duration_cast<std::chrono::milliseconds>(2 * options.ping_after);
  timeout.keep_alive_pings = true;
  socket_.set_option(timeout);
  socket_.read_message_max(options.message_bytes_max);
  socket_.auto_fragment(false);
  socket_.text(true);
}

void WebSocketCore::start(WebSocket::Handlers handlers) {
  expects(handlers_ == nullptr);
  handlers_ = std::make_shared<WebSocket::Handlers>(std::move(handlers));
  spawn(loop_, read(shared_from_this()));
}

Task<void> WebSocketCore::read(std::shared_ptr<WebSocketCore> self) {
  while (!self->finished_) {
    const auto [error, size] = co_await self->socket_.async_read(self->input_, as_result);
    if (error) {
      self->on_read_error(error);
      co_return;
    }
    self->on_message();
  }
}

void WebSocketCore::on_message() {
  if (!socket_.got_text()) close(websocket::close_code::unknown_data, "text messages only");
  // A handler may drop the connection, and with it the handlers; the copy keeps them alive.
  const auto handlers = handlers_;
  if (!closing_ && handlers && handlers->on_text) {
    const auto bytes = input_.cdata();
    handlers->on_text({static_cast<const char*>(bytes.data()), bytes.size()});
  }
  input_.consume(input_.size());
  if (input_.capacity() > kept_capacity_max) input_.shrink_to_fit();
}

void WebSocketCore::on_read_error(const ErrorCode& error) {
  if (closing_) return finish(close_code_, close_reason_);
  if (error == websocket::error::closed) {
    const auto& reason = socket_.reason();
    const auto code = reason.code == websocket::close_code::none
                          ? static_cast<std::uint16_t>(websocket::close_code::no_status)
                          : reason.code;
    return finish(code, std::string(reason.reason.data(), reason.reason.size()));
  }
  finish(code_of(error), error.message());
}

Task<void> WebSocketCore::drain_stream(std::shared_ptr<WebSocketCore> self) {
  co_await drain(self->loop_, self->socket_.next_layer().socket());
}

bool WebSocketCore::send_text(std::string text) {
  if (closing_ || finished_) return false;
  if (queued_bytes_ + text.size() > options_.queue_bytes_max) {
    // It would not read the rest any faster; only what is on the wire is kept whole.
    queue_.erase(queue_.begin() + (writing_ ? 1 : 0), queue_.end());
    close(websocket::close_code::try_again_later, "messages are not read fast enough");
    return false;
  }
  queued_bytes_ += text.size();
  queue_.push_back(std::move(text));
  write_next();
  return true;
}

void WebSocketCore::write_next() {
  if (writing_ || finished_) return;
  if (queue_.empty()) {
    if (closing_) write_close();
    return;
  }
  writing_ = true;
  socket_.async_write(asio::buffer(queue_.front()),
                      [self = shared_from_this()](const ErrorCode& error, std::size_t) {
                        self->writing_ = false;
                        self->queued_bytes_ -= self->queue_.front().size();
                        self->queue_.pop_front();
                        // The reading side sees a broken connection too, and reports it.
                        if (!error) self->write_next();
                      });
}

void WebSocketCore::close(std::uint16_t code, std::string reason) {
  expects(may_be_sent(code));
  if (closing_ || finished_ || loop_.native().ended) return;
  closing_ = true;
  close_code_ = code;
  close_reason_ = cut_reason(reason);
  linger_ = std::make_unique<Timer>(loop_, [this] {
    cut();
    finish(close_code_, close_reason_);
  });
  linger_->expires_after(options_.close_within);
  write_next();
}

void WebSocketCore::write_close() {
  if (std::exchange(close_written_, true)) return;
  const websocket::close_reason reason(static_cast<websocket::close_code>(close_code_),
                                       close_reason_);
  socket_.async_close(reason, [self = shared_from_this()](const ErrorCode&) {
    self->finish(self->close_code_, self->close_reason_);
  });
}

void WebSocketCore::abandon() {
  handlers_ = nullptr;
  close(websocket::close_code::going_away, {});
}

void WebSocketCore::finish(std::uint16_t code, std::string reason) {
  if (std::exchange(finished_, true)) return;
  const auto self = shared_from_this();  // on_closed may drop the last owner
  if (linger_) linger_->cancel();
  if (socket_.next_layer().socket().is_open()) spawn(loop_, drain_stream(self));
  slot_ = nullptr;
  const auto handlers = std::exchange(handlers_, nullptr);
  if (handlers && handlers->on_closed) handlers->on_closed(code, std::move(reason));
}

}  // namespace chatixia::net
