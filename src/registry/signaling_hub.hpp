#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "protocol/signaling.hpp"
#include "registry/bus.hpp"
#include "registry/principal.hpp"
#include "registry/token_bucket.hpp"

namespace chatixia::registry {

// Introduces peers to each other: keeps who is connected, relays their offers, answers and
// candidates unread, and remembers the links that they report.
class SignalingHub {
 public:
  struct Options {
    TokenBucket::Options rate;
  };
  using SessionId = std::uint64_t;

  // A link between two sidecars; `a` sorts before `b`.
  struct Edge {
    PeerId a;
    PeerId b;
    std::string path;  // "direct" or "relay"
    auto operator<=>(const Edge&) const = default;
  };

  explicit SignalingHub(Bus& bus) : SignalingHub(bus, {}) {}
  SignalingHub(Bus& bus, const Options& options) : bus_(bus), options_(options) {}

  // The connection must live until handle_closed(). An older one of the same peer is closed.
  SessionId open(Instant now, const PeerId& peer, Bus::Connection& connection);
  void handle_text(Instant now, SessionId session, std::string_view text);
  // May be called for a session that is gone already.
  void handle_closed(SessionId session);

  std::size_t session_count() const { return sessions_.size(); }
  bool is_connected(const PeerId& peer) const { return bus_.is_connected(peer); }
  // The links that connected sidecars report, each once.
  std::vector<Edge> edges() const;

 private:
  struct Session {
    PeerId peer;
    Bus::Connection* connection;
    TokenBucket bucket;
    std::vector<protocol::signaling::Links::Link> links;
    bool is_over = false;  // closed by us, or replaced; what still arrives is not read
  };

  void on_register(Session& session);
  void on_links(Session& session, const std::string& payload);
  void relay(Session& session, SessionId id, const PeerId& target, std::string_view text);
  void refuse(Session& session, const std::optional<std::string>& target, std::string_view code,
              std::string detail = {});

  Bus& bus_;
  Options options_;
  std::map<SessionId, Session> sessions_;
  std::map<PeerId, SessionId> current_;
  SessionId last_session_ = 0;
};

}  // namespace chatixia::registry
