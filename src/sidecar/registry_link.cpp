#include "sidecar/registry_link.hpp"

#include "base/log.hpp"

namespace chatixia::sidecar {
namespace {

constexpr Log log("registry");

// TURN credentials live for a day; a quarter of that leaves room for an outage.
constexpr Duration config_refresh_interval = std::chrono::hours(6);

// A registry that is missing for a moment (a restart) should be found quickly.
constexpr mesh::Backoff::Options reconnect{.min = std::chrono::milliseconds(200),
                                           .max = std::chrono::seconds(15)};

}  // namespace

template <class Handler>
auto RegistryLink::while_alive(Handler handler) {
  return [weak = std::weak_ptr<bool>(alive_), handler = std::move(handler)](auto&&... arguments) {
    if (!weak.expired()) handler(std::forward<decltype(arguments)>(arguments)...);
  };
}

RegistryLink::RegistryLink(net::Loop& loop, Options options, RandomSource& random,
                           Handlers handlers)
    : loop_(loop),
      options_(std::move(options)),
      random_(random),
      handlers_(std::move(handlers)),
      backoff_(reconnect),
      retry_(loop, [this] { request_token(); }),
      config_refresh_(loop, [this] { request_config(); }),
      alive_(std::make_shared<bool>(true)) {}

RegistryLink::~RegistryLink() {
  stop();
}

void RegistryLink::start() {
  request_token();
}

void RegistryLink::stop() {
  if (std::exchange(stopped_, true)) return;
  alive_.reset();
  retry_.cancel();
  config_refresh_.cancel();
  if (socket_) std::exchange(socket_, nullptr)->close(1000, "the sidecar is shutting down");
}

net::HttpCall RegistryLink::call(std::string method, net::Url url) const {
  net::HttpCall call{.method = std::move(method), .url = std::move(url)};
  const bool is_device_token = options_.api_key.starts_with("dt_");
  call.headers.emplace(is_device_token ? "x-device-token" : "x-api-key", options_.api_key);
  return call;
}

void RegistryLink::request_token() {
  net::http_request(loop_, call("POST", options_.token),
                    while_alive([this](auto answer) { on_token(std::move(answer)); }));
}

void RegistryLink::on_token(Result<net::HttpResponse> answer) {
  if (!answer) return on_lost("no token: " + answer.error().message());
  if (answer->status == 401)
    return on_lost("the registry does not accept this API key (401); check API_KEY");
  if (answer->status != 200)
    return on_lost("the registry answered " + std::to_string(answer->status) + " to " +
                   options_.token.to_string());
  const auto token = protocol::api::TokenAnswer::parse(answer->body);
  if (!token) return on_lost("the answer with the token is not understood");

  handlers_.on_identity(PeerId(token->peer_id));
  net::WebSocket::connect(loop_, options_.signaling, token->token, {},
                          while_alive([this](auto socket) { on_socket(std::move(socket)); }));
  request_config();
}

void RegistryLink::request_config() {
  net::Url url = options_.token;
  url.target = "/api/config";
  config_refresh_.expires_after(config_refresh_interval);
  net::http_request(loop_, call("GET", url), while_alive([this](Result<net::HttpResponse> answer) {
                      if (!answer || answer->status != 200) return;
                      if (const auto config = protocol::api::Config::parse(answer->body))
                        handlers_.on_config(*config);
                    }));
}

void RegistryLink::on_socket(Result<std::shared_ptr<net::WebSocket>> connected) {
  if (!connected) return on_lost(connected.error().message());
  socket_ = *std::move(connected);
  socket_->start({
      .on_text = while_alive([this](std::string_view text) { on_text(text); }),
      .on_closed = while_alive([this](std::uint16_t code, const std::string& reason) {
        on_lost("closed by the registry with " + std::to_string(code) +
                (reason.empty() ? "" : ", " + reason));
      }),
  });
  backoff_.reset();
  reported_ = false;
  last_error_.clear();
  log.info("connected", {{"url", options_.signaling.to_string()}});
  handlers_.on_open();
}

void RegistryLink::on_text(std::string_view text) {
  const auto envelope = protocol::signaling::Envelope::parse(text);
  if (envelope)
    handlers_.on_envelope(*envelope);
  else
    log.warning("an envelope is not understood", {{"why", envelope.error().message()}});
}

void RegistryLink::on_lost(const std::string& reason) {
  const bool was_open = std::exchange(socket_, nullptr) != nullptr;
  last_error_ = reason;
  const Duration wait = backoff_.next(random_);
  // One line for an outage, not one for each try.
  if (!std::exchange(reported_, true))
    log.warning("not connected, trying again",
                {{"why", reason}, {"next_try_ms", static_cast<int>(to_ms(wait))}});
  retry_.expires_after(wait);
  if (was_open) handlers_.on_closed();
}

void RegistryLink::send(const protocol::signaling::Envelope& envelope) {
  if (socket_) socket_->send_text(envelope.encode());
}

}  // namespace chatixia::sidecar
