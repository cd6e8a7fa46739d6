#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "interop/peer_driver.hpp"
#include "net/http.hpp"
#include "net/websocket.hpp"
#include "protocol/signaling.hpp"

namespace chatixia::interop {

// A peer on the registry in its plainest form: it signals as the 0.4 series does, keeps one link a
// remote peer and never reconnects. Candidates are trickled.
class RegistryPeer {
 public:
  struct Options {
    net::Url signaling;
    std::string token;
    std::string self;
    IpAddress address;
    bool calls_peers = true;  // offers to those it finds on the registry
    rtc::peer::PeerConnection::Options connection;
  };
  struct Handlers {
    std::function<void(const std::vector<std::string>& peers)> on_joined;
    std::function<void(const std::string& peer, const rtc::peer::PeerConnection::Event&)> on_event;
    // Signaling that could not be used, or the end of the WebSocket.
    std::function<void(const std::string& problem)> on_problem;
  };

  RegistryPeer(net::Loop& loop, RandomSource& random, Options options, Handlers handlers);
  ~RegistryPeer();
  RegistryPeer(const RegistryPeer&) = delete;
  RegistryPeer& operator=(const RegistryPeer&) = delete;

  // Replaces a link that is there.
  void offer(const std::string& peer);
  // Null when there is no link.
  PeerDriver* link(const std::string& peer);
  void close(const std::string& peer);

 private:
  void handle_text(std::string_view text);
  Result<void> handle_envelope(const protocol::signaling::Envelope& envelope);
  Result<void> accept_offer(const std::string& peer, const std::string& payload);
  PeerDriver* make_link(const std::string& peer);
  void trickle(const std::string& peer, PeerDriver& link);
  void signal(std::string_view type, const std::string& peer, std::string payload);

  net::Loop& loop_;
  RandomSource& random_;
  Options options_;
  Handlers handlers_;
  std::shared_ptr<net::WebSocket> socket_;
  std::map<std::string, std::unique_ptr<PeerDriver>> links_;
  // Callbacks of the WebSocket may come after the end of this object.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace chatixia::interop
