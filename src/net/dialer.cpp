#include "net/dialer.hpp"

#include <boost/asio/ssl/context.hpp>
#include <openssl/x509v3.h>

#include "net/errc.hpp"
#include "net/sockaddr.hpp"

namespace chatixia::net {
namespace {

using Addresses = Result<std::vector<IpAddress>>;

// How long an address is alone before the next one is tried as well (RFC 8305, section 8).
constexpr Duration head_start = std::chrono::milliseconds(250);

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

// The order of the system, but the families in turn: a host whose IPv6 leads nowhere should not
// have to try all of it first (RFC 8305, section 4).
std::vector<IpAddress> alternating(const std::vector<IpAddress>& addresses) {
  std::vector<IpAddress> first, second;
  for (const IpAddress& ip : addresses)
    (ip.is_v4() == addresses.front().is_v4() ? first : second).push_back(ip);
  std::vector<IpAddress> all;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (i < first.size()) all.push_back(first[i]);
    if (i < second.size()) all.push_back(second[i]);
  }
  return all;
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
    : loop_(loop),
      url_(std::move(url)),
      phase_("resolve " + url_.host),
      last_error_(aborted()),
      news_(executor_of(loop)) {}

void Dialer::abort() {
  aborted_ = true;
  ErrorCode ignored;
  for (TcpSocket& socket : connecting_) socket.close(ignored);
  if (stream_) stream_->close();
  news_.cancel();
}

Task<Result<void>> Dialer::open(std::shared_ptr<Dialer> self) {
  const auto addresses = co_await look_up(self->loop_, self->url_.host);
  if (self->aborted_) co_return std::unexpected(aborted());
  if (!addresses) co_return std::unexpected(addresses.error());

  auto socket = co_await connect(self, alternating(*addresses));
  if (!socket) co_return std::unexpected(socket.error());
  if (self->url_.is_secure()) {
    auto secured = co_await secure(self, std::move(*socket));
    co_return secured;
  }
  self->stream_.emplace(std::move(*socket));
  co_return Result<void>{};
}

Task<Result<TcpSocket>> Dialer::connect(std::shared_ptr<Dialer> self,
                                        std::vector<IpAddress> addresses) {
  auto next = addresses.begin();
  while (!self->connected_ && !self->aborted_) {
    self->news_.expires_at(never);
    if (next != addresses.end()) {
      const Endpoint to{*next++, self->url_.port};
      self->phase_ = "connect to " + to.to_string();
      ++self->attempts_running_;
      spawn(self->loop_, attempt(self, to));
      if (next != addresses.end()) self->news_.expires_after(head_start);
    } else if (self->attempts_running_ == 0) {
      co_return std::unexpected(self->last_error_);
    }
    co_await self->news_.async_wait(as_result);
  }
  ErrorCode ignored;
  for (TcpSocket& socket : self->connecting_) socket.close(ignored);
  if (self->aborted_) co_return std::unexpected(aborted());
  TcpSocket socket = std::move(*self->connected_);
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  co_return socket;
}

Task<void> Dialer::attempt(std::shared_ptr<Dialer> self, Endpoint to) {
  const auto socket = self->connecting_.emplace(self->connecting_.end(), executor_of(self->loop_));
  // It is started by the loop, and much may have happened before.
  if (!self->connected_ && !self->aborted_) {
    const auto [error] = co_await socket->async_connect(to_asio(to), as_result);
    if (error)
      self->last_error_ = to_error(error, "connect to " + to.to_string());
    else if (!self->connected_)
      self->connected_.emplace(std::move(*socket));
  }
  self->connecting_.erase(socket);
  --self->attempts_running_;
  self->news_.cancel();
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
