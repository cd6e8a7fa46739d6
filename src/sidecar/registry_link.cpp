#include "sidecar/registry_link.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace chatixia::sidecar {
namespace {

constexpr Log log("registry");

// TURN credentials live for a day; a quarter of that leaves room for an outage.
constexpr Duration config_refresh_interval = std::chrono::hours(6);

// The registry took a newer connection of the same peer.
constexpr std::uint16_t replaced_code = 4001;

// The registry's paths are beside each other, also behind a proxy that gives them a prefix.
net::Url config_url(net::Url token) {
  constexpr std::string_view path = "/api/token";
  token.target.resize(std::min(token.target.size(), token.target.find('?')));
  if (token.target.ends_with(path))
    token.target.resize(token.target.size() - path.size());
  else
    token.target.clear();
  token.target += "/api/config";
  return token;
}

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
      backoff_(options_.reconnect),
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
  if (stopped_) return;
  net::WebSocket::connect(loop_, options_.signaling, token->token, {},
                          while_alive([this](auto socket) { on_socket(std::move(socket)); }));
  request_config();
}

void RegistryLink::request_config() {
  config_refresh_.cancel();
  net::http_request(loop_, call("GET", config_url(options_.token)),
                    while_alive([this](const auto& answer) { on_config(answer); }));
}

void RegistryLink::on_config(const Result<net::HttpResponse>& answer) {
  const auto config = answer ? protocol::api::Config::parse(answer->body)
                             : Result<protocol::api::Config>(std::unexpected(answer.error()));
  if (config && answer->status == 200) {
    config_refresh_.expires_after(config_refresh_interval);
    return handlers_.on_config(*config);
  }
  log.warning("no news of ICE servers, trying again",
              {{"why", answer && answer->status != 200
                           ? "the registry answered " + std::to_string(answer->status)
                           : config.error().message()}});
  config_refresh_.expires_after(options_.config_retry);
}

void RegistryLink::on_socket(Result<std::shared_ptr<net::WebSocket>> connected) {
  if (!connected) return on_lost(connected.error().message());
  socket_ = *std::move(connected);
  socket_->start({
      .on_text = while_alive([this](std::string_view text) { on_text(text); }),
      .on_closed = while_alive(
          [this](std::uint16_t code, const std::string& reason) { on_closed(code, reason); }),
  });
  opened_at_ = net::now();
  reported_.clear();
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

void RegistryLink::on_closed(std::uint16_t code, const std::string& reason) {
  socket_ = nullptr;
  if (net::now() - opened_at_ >= options_.settled_after) backoff_.reset();
  if (code == replaced_code) {
    // Each of the two would replace the other for ever: be slow about it.
    log.error("another sidecar uses this API key; give each its own");
    try_again("replaced by another sidecar with the same API key",
              random_.up_to(options_.reconnect.max));
  } else {
    on_lost("closed by the registry with " + std::to_string(code) +
            (reason.empty() ? "" : ", " + reason));
  }
  handlers_.on_closed();
}

void RegistryLink::on_lost(const std::string& reason) {
  try_again(reason, backoff_.next(random_));
}

void RegistryLink::try_again(const std::string& reason, Duration wait) {
  last_error_ = reason;
  // One line for each reason of an outage, not one for each try.
  if (std::exchange(reported_, reason) != reason)
    log.warning("not connected, trying again",
                {{"why", reason}, {"next_try_ms", static_cast<int>(to_ms(wait))}});
  retry_.expires_after(wait);
}

void RegistryLink::send(const protocol::signaling::Envelope& envelope) {
  if (socket_) socket_->send_text(envelope.encode());
}

}  // namespace chatixia::sidecar
