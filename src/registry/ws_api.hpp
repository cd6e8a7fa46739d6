#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "net/http.hpp"
#include "net/websocket.hpp"
#include "registry/authenticator.hpp"
#include "registry/moment.hpp"
#include "registry/signaling_hub.hpp"

namespace chatixia::registry {

// Takes the WebSockets of sidecars to the signaling hub.
class WsApi {
 public:
  static constexpr std::string_view path = "/ws";

  WsApi(SignalingHub& hub, const Authenticator& authenticator, std::function<Moment()> clock);
  ~WsApi();

  // The refusal of an upgrade, or nothing.
  std::optional<net::HttpResponse> check_upgrade(const net::HttpRequest& request) const;
  void accept(const net::HttpRequest& request, std::shared_ptr<net::WebSocket> socket);

 private:
  class Connection;

  [[nodiscard]] Result<Principal> admit(const net::HttpRequest& request) const;

  SignalingHub& hub_;
  const Authenticator& authenticator_;
  std::function<Moment()> clock_;
  std::map<SignalingHub::SessionId, std::unique_ptr<Connection>> connections_;
};

}  // namespace chatixia::registry
