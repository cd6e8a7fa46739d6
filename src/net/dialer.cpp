#include "net/dialer.hpp"

#include <boost/asio/ssl/context.hpp>
#include <openssl/x509v3.h>

#include "net/errc.hpp"
#include "net/sockaddr.hpp"

namespace chatixia::net {
namespace {

using Addresses = Result<std::vector<IpAddress>>;

// An address that swallows packets must not use up the whole call while others might work.
constexpr Duration attempt_max = std::chrono::seconds(2);

Error aborted() {
  return {std::make_error_code(std::errc::operation_canceled), {}};
}

Task<Addresses> look_up(Loop& loop, std::string host) {
  auto addresses =
      co_await asio::async_initiate<const asio::use_awaitable_t<Executor>&, void(Addresses)>(
          [&loop, &host](auto handler) {
            // std::function wants to copy; the handler cannot.
            auto shared = std::make_shared<decltype(handler)>(std::move(handler));
            resolve(loop, std::move(host),
                    [shared](Addresses found) { std::move (*shared)(std::move(found)); });
          },
          asio::use_awaitable_t<Executor>{});
  co_return addresses;
}

asio::ip::tcp::endpoint to_asio(const Endpoint& endpoint) {
  const SocketAddress address(endpoint);
  asio::ip::tcp::endpoint out;
  out.resize(address.size);
  std::memcpy(out.data(), address.data(), address.size);
  return out;
}

std::shared_ptr<asio::ssl::context> client_context(Loop& loop) {
  auto& cached = loop.native().tls;
  if (cached) return cached;
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  ErrorCode ignored;  // without a store every certificate is refused, with a clear message
  context->set_default_verify_paths(ignored);
  context->set_verify_mode(asio::ssl::verify_peer, ignored);
  return cached = std::move(context);
}

// The certificate must be for this host, and the server learns which host is meant (SNI), unless
// it is an address (RFC 6066, section 3).
bool name_host(SSL* ssl, const std::string& host) {
  if (IpAddress::parse(host))
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  return SSL_set1_host(ssl, host.c_str()) == 1 &&
         SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1;
}

std::string tls_reason(SSL* ssl, const ErrorCode& error) {
  const long verdict = SSL_get_verify_result(ssl);
  return verdict == X509_V_OK ? error.message() : X509_verify_cert_error_string(verdict);
}

}  // namespace

Dialer::Dialer(Loop& loop, Url url)
    : loop_(loop), url_(std::move(url)), phase_("resolve " + url_.host), attempt_(loop, [this] {
        ErrorCode ignored;
        if (connecting_) connecting_->close(ignored);
      }) {}

void Dialer::abort() {
  aborted_ = true;
  ErrorCode ignored;
  if (connecting_) connecting_->close(ignored);
  if (stream_) stream_->close();
}

Task<Result<void>> Dialer::open(std::shared_ptr<Dialer> self) {
  const auto addresses = co_await look_up(self->loop_, self->url_.host);
  if (self->aborted_) co_return std::unexpected(aborted());
  if (!addresses) co_return std::unexpected(addresses.error());

  Error last = aborted();
  for (const IpAddress& ip : *addresses) {
    const bool is_last = ip == addresses->back();
    auto socket = co_await connect(self, {ip, self->url_.port}, is_last);
    if (self->aborted_) co_return std::unexpected(aborted());
    if (!socket) {
      last = socket.error();
      continue;
    }
    if (self->url_.is_secure()) {
      auto secured = co_await secure(self, std::move(*socket));
      co_return secured;
    }
    self->stream_.emplace(std::move(*socket));
    co_return Result<void>{};
  }
  co_return std::unexpected(last);
}

Task<Result<TcpSocket>> Dialer::connect(std::shared_ptr<Dialer> self, Endpoint to, bool is_last) {
  self->phase_ = "connect to " + to.to_string();
  self->connecting_.emplace(executor_of(self->loop_));
  if (!is_last) self->attempt_.expires_after(attempt_max);
  const auto [error] = co_await self->connecting_->async_connect(to_asio(to), as_result);
  self->attempt_.cancel();
  TcpSocket socket = std::move(*self->connecting_);
  self->connecting_.reset();
  if (error) co_return std::unexpected(to_error(error, self->phase_));
  ErrorCode ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  co_return socket;
}

Task<Result<void>> Dialer::secure(std::shared_ptr<Dialer> self, TcpSocket socket) {
  self->phase_ = "TLS to " + self->url_.host;
  const auto context = client_context(self->loop_);
  self->stream_.emplace(std::make_unique<Stream::TlsStream>(std::move(socket), *context));
  auto& tls = self->stream_->tls();
  if (!name_host(tls.native_handle(), self->url_.host))
    co_return fail(Errc::tls_failed, self->phase_);
  const auto [error] = co_await tls.async_handshake(asio::ssl::stream_base::client, as_result);
  if (error)
    co_return fail(Errc::tls_failed, self->phase_ + ": " + tls_reason(tls.native_handle(), error));
  co_return Result<void>{};
}

}  // namespace chatixia::net
