#include "net/websocket.hpp"

#include <boost/beast/http/field.hpp>

#include "net/dialer.hpp"
#include "net/errc.hpp"
#include "net/http_text.hpp"
#include "net/websocket_accept.hpp"
#include "net/websocket_core.hpp"

namespace chatixia::net {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
namespace http = beast::http;
using Done = std::function<void(Result<std::shared_ptr<WebSocket>>)>;

// Look-up, TCP, TLS and upgrade together.
constexpr Duration opening_max = std::chrono::seconds(15);

class WebSocketHandle final : public WebSocket {
 public:
  explicit WebSocketHandle(std::shared_ptr<WebSocketCore> core) : core_(std::move(core)) {}
  ~WebSocketHandle() override { core_->abandon(); }
  WebSocketHandle(const WebSocketHandle&) = delete;
  WebSocketHandle& operator=(const WebSocketHandle&) = delete;

  void start(Handlers handlers) override { core_->start(std::move(handlers)); }
  bool send_text(std::string text) override { return core_->send_text(std::move(text)); }
  void close(std::uint16_t code, std::string reason) override {
    core_->close(code, std::move(reason));
  }

 private:
  std::shared_ptr<WebSocketCore> core_;
};

// The client's side up to the answer of the server; the task that runs it keeps it alive.
class Opening : public std::enable_shared_from_this<Opening> {
 public:
  Opening(Loop& loop, Url url, std::string bearer, const WebSocket::Options& options, Done done)
      : loop_(loop),
        url_(std::move(url)),
        bearer_(std::move(bearer)),
        options_(options),
        done_(std::move(done)),
        dialer_(std::make_shared<Dialer>(loop, url_)),
        deadline_(loop, [this] { on_deadline(); }) {
    deadline_.expires_after(opening_max);
  }

  static Task<void> run(std::shared_ptr<Opening> self) {
    const auto open = co_await Dialer::open(self->dialer_);
    if (!open) {
      self->finish(std::unexpected(open.error()));
      co_return;
    }
    auto upgraded = co_await self->upgrade();
    self->finish(std::move(upgraded));
  }

 private:
  Task<Result<std::shared_ptr<WebSocket>>> upgrade();

  void finish(Result<std::shared_ptr<WebSocket>> result) {
    deadline_.cancel();
    if (const auto done = std::exchange(done_, nullptr)) done(std::move(result));
  }

  void on_deadline() {
    const auto self = shared_from_this();
    if (core_)
      core_->cut();
    else
      dialer_->abort();
    finish(fail(std::make_error_code(std::errc::timed_out), core_ ? "upgrade" : dialer_->phase()));
  }

  Loop& loop_;
  Url url_;
  std::string bearer_;
  WebSocket::Options options_;
  Done done_;
  std::shared_ptr<Dialer> dialer_;
  std::shared_ptr<WebSocketCore> core_;
  Timer deadline_;
};

Task<Result<std::shared_ptr<WebSocket>>> Opening::upgrade() {
  if (!is_valid_header("authorization", bearer_)) co_return fail(Errc::bad_request, "token");
  core_ = std::make_shared<WebSocketCore>(loop_, dialer_->take_stream(), options_, nullptr);
  auto& socket = core_->socket();
  socket.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
    request.set(http::field::user_agent, "chatixia-mesh");
    if (!bearer_.empty()) request.set(http::field::authorization, "Bearer " + bearer_);
  }));
  websocket::response_type response;
  const bool v6 = url_.host.find(':') != std::string::npos;
  const std::string host =
      (v6 ? "[" + url_.host + "]" : url_.host) + ":" + std::to_string(url_.port);
  const auto [error] = co_await socket.async_handshake(response, host, url_.target, as_result);
  if (error == websocket::error::upgrade_declined)
    co_return fail(Errc::upgrade_refused, "HTTP " + std::to_string(response.result_int()));
  if (error) co_return std::unexpected(to_error(error, "upgrade"));
  // It outlives this object, which the first decorator refers to.
  socket.set_option(websocket::stream_base::decorator([](websocket::request_type&) {}));
  co_return std::make_shared<WebSocketHandle>(core_);
}

}  // namespace

void WebSocket::connect(Loop& loop, const Url& url, std::string bearer, const Options& options,
                        std::function<void(Result<std::shared_ptr<WebSocket>>)> done) {
  spawn(loop, Opening::run(std::make_shared<Opening>(loop, url, std::move(bearer), options,
                                                     std::move(done))));
}

Task<std::shared_ptr<WebSocket>> accept_websocket(Loop& loop, TcpSocket socket,
                                                  UpgradeRequest request,
                                                  WebSocket::Options options,
                                                  std::shared_ptr<void> slot) {
  const auto core =
      std::make_shared<WebSocketCore>(loop, Stream(std::move(socket)), options, std::move(slot));
  const auto [error] = co_await core->socket().async_accept(request, as_result);
  if (error) co_return nullptr;
  co_return std::make_shared<WebSocketHandle>(core);
}

}  // namespace chatixia::net
