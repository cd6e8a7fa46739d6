#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/strong.hpp"
#include "mesh/backoff.hpp"
#include "net/http.hpp"
#include "net/loop.hpp"
#include "net/websocket.hpp"
#include "protocol/registry_api.hpp"
#include "protocol/signaling.hpp"

namespace chatixia::sidecar {

// The sidecar's connection to the registry: a token for the API key, the WebSocket with it, the
// ICE servers; again with full jitter whenever it is lost.
class RegistryLink {
 public:
  struct Options {
    net::Url signaling;
    net::Url token;
    std::string api_key;
    // A registry that is missing for a moment (a restart) should be found quickly.
    mesh::Backoff::Options reconnect{.min = std::chrono::milliseconds(200),
                                     .max = std::chrono::seconds(15)};
    // A connection that lasted this long was a good one: the waits begin anew.
    Duration settled_after = std::chrono::seconds(10);
    Duration config_retry = std::chrono::seconds(30);
  };
  struct Handlers {
    // The peer id that the registry knows this key by; before the first on_open.
    std::function<void(PeerId)> on_identity;
    std::function<void()> on_open;
    std::function<void()> on_closed;
    std::function<void(const protocol::signaling::Envelope&)> on_envelope;
    std::function<void(const protocol::api::Config&)> on_config;
  };

  RegistryLink(net::Loop& loop, Options options, RandomSource& random, Handlers handlers);
  ~RegistryLink();

  void start();
  void stop();
  // Dropped unless connected; mesh::Node says again what matters.
  void send(const protocol::signaling::Envelope& envelope);

  bool is_connected() const { return socket_ != nullptr; }
  const std::string& last_error() const { return last_error_; }
  const net::Url& url() const { return options_.signaling; }

 private:
  void request_token();
  void request_config();
  void on_token(Result<net::HttpResponse> answer);
  void on_config(const Result<net::HttpResponse>& answer);
  void on_socket(Result<std::shared_ptr<net::WebSocket>> connected);
  void on_text(std::string_view text);
  void on_closed(std::uint16_t code, const std::string& reason);
  void on_lost(const std::string& reason);
  void try_again(const std::string& reason, Duration wait);
  net::HttpCall call(std::string method, net::Url url) const;
  // Callbacks of net/ may come after stop(); they look here first.
  template <class Handler>
  auto while_alive(Handler handler);

  net::Loop& loop_;
  Options options_;
  RandomSource& random_;
  Handlers handlers_;
  mesh::Backoff backoff_;
  net::Timer retry_;
  net::Timer config_refresh_;
  std::shared_ptr<net::WebSocket> socket_;
  std::shared_ptr<bool> alive_;
  Instant opened_at_;
  std::string last_error_;
  std::string reported_;  // what the log says of the present outage
  bool stopped_ = false;
};

}  // namespace chatixia::sidecar
