#pragma once

#include <memory>
#include <variant>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>

#include "net/asio_internal.hpp"

namespace chatixia::net {

using TcpSocket = asio::basic_stream_socket<asio::ip::tcp, Executor>;

// A TCP connection, with or without TLS: one type, so that what runs on top is compiled once.
class Stream {
 public:
  using executor_type = Executor;
  using TlsStream = asio::ssl::stream<TcpSocket>;

  explicit Stream(TcpSocket socket) : layers_(std::move(socket)) {}
  explicit Stream(std::unique_ptr<TlsStream> tls) : layers_(std::move(tls)) {}

  executor_type get_executor() { return socket().get_executor(); }
  TcpSocket& socket() {
    if (auto* const plain = std::get_if<TcpSocket>(&layers_)) return *plain;
    return tls().next_layer();
  }
  TlsStream& tls() { return *std::get<std::unique_ptr<TlsStream>>(layers_); }
  bool is_secure() const { return layers_.index() == 1; }
  void close() {
    ErrorCode ignored;
    socket().close(ignored);
  }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
        [this](auto handler, const Buffers& into) {
          if (is_secure())
            tls().async_read_some(into, std::move(handler));
          else
            socket().async_read_some(into, std::move(handler));
        },
        token, buffers);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
        [this](auto handler, const Buffers& from) {
          if (is_secure())
            tls().async_write_some(from, std::move(handler));
          else
            socket().async_write_some(from, std::move(handler));
        },
        token, buffers);
  }

  // How Beast ends a WebSocket. The close frames have said goodbye, so TLS need not; who owns the
  // stream drains it, which must not delay the news of the close.
  template <class Handler>
  friend void async_teardown(boost::beast::role_type, Stream& stream, Handler&& handler) {
    asio::post(stream.get_executor(),
               boost::beast::bind_front_handler(std::forward<Handler>(handler), ErrorCode{}));
  }
  friend void beast_close_socket(Stream& stream) { stream.close(); }

 private:
  std::variant<TcpSocket, std::unique_ptr<TlsStream>> layers_;
};

}  // namespace chatixia::net
