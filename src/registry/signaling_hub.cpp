#include "registry/signaling_hub.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/limits.hpp"
#include "json/json.hpp"
#include "protocol/errors.hpp"

namespace chatixia::registry {
namespace {

namespace signaling = protocol::signaling;
namespace error_code = protocol::error_code;

constexpr std::string_view registry_peer = "registry";
constexpr std::uint16_t policy_violation = 1008;  // RFC 6455, section 7.4.1

bool is_relayed(std::string_view type) {
  return type == signaling::type::offer || type == signaling::type::answer ||
         type == signaling::type::ice_candidate;
}

std::string from_registry(std::string_view type, std::string payload) {
  return signaling::Envelope{.type = std::string(type),
                             .peer_id = std::string(registry_peer),
                             .payload = std::move(payload)}
      .encode();
}

}  // namespace

SignalingHub::SessionId SignalingHub::open(Instant now, const PeerId& peer,
                                           Bus::Connection& connection) {
  const SessionId id = ++last_session_;
  if (const auto older = current_.find(peer); older != current_.end())
    sessions_.at(older->second).is_over = true;
  current_[peer] = id;
  sessions_.emplace(
      id,
      Session{.peer = peer, .connection = &connection, .bucket = TokenBucket(options_.rate, now)});
  bus_.attach(peer, connection);
  bus_.publish({event_type::peer_connected, peer.value(), {}});
  return id;
}

void SignalingHub::handle_closed(SessionId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const Session session = std::move(found->second);
  sessions_.erase(found);
  bus_.detach(session.peer, *session.connection);
  const auto current = current_.find(session.peer);
  if (current == current_.end() || current->second != id) return;
  current_.erase(current);
  bus_.publish({event_type::peer_disconnected, session.peer.value(), {}});
}

void SignalingHub::handle_text(Instant now, SessionId id, std::string_view text) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.is_over) return;
  Session& session = found->second;
  if (!session.bucket.take(now)) {
    session.is_over = true;
    return session.connection->close(policy_violation, "too many messages");
  }

  const auto envelope = signaling::Envelope::parse(text);
  if (!envelope) return refuse(session, {}, error_code::bad_request, envelope.error().message());
  const auto& target = envelope->target_id;
  if (envelope->peer_id != session.peer.value())
    return refuse(session, target, error_code::forbidden,
                  "peer_id is not the peer that the token names");

  if (envelope->type == signaling::type::heartbeat) return;
  if (envelope->type == signaling::type::register_) return on_register(session);
  if (envelope->type == signaling::type::links) return on_links(session, envelope->payload);
  if (!is_relayed(envelope->type))
    return refuse(session, target, error_code::unknown_command,
                  "this registry does not know the message type");
  if (!target || target->empty())
    return refuse(session, target, error_code::bad_request, "target_id is missing");
  relay(session, id, PeerId(*target), text);
}

void SignalingHub::on_register(Session& session) {
  // More than a node may have, or an envelope may hold, would be refused as a whole.
  constexpr std::size_t names_bytes_max = limits::signal_bytes_max - 4096;
  signaling::PeerList list;
  std::size_t bytes = 0;
  for (const PeerId& peer : bus_.peers()) {
    if (peer == session.peer) continue;
    bytes += json::quote(peer.value()).size() + 1;
    if (bytes > names_bytes_max || list.peers.size() == limits::peers_max) break;
    list.peers.push_back(peer.value());
  }
  session.connection->deliver(from_registry(signaling::type::peer_list, list.encode()));
}

void SignalingHub::on_links(Session& session, const std::string& payload) {
  auto links = signaling::Links::parse(payload);
  if (!links) return refuse(session, {}, error_code::bad_request, links.error().message());
  if (links->links.size() > limits::peers_max)
    return refuse(session, {}, error_code::too_large, "more links than a node may have");
  if (links->links == session.links) return;
  session.links = std::move(links->links);
  bus_.publish(
      {event_type::links_changed, session.peer.value(), {{"count", session.links.size()}}});
}

void SignalingHub::relay(Session& session, SessionId id, const PeerId& target,
                         std::string_view text) {
  if (target == session.peer)
    return refuse(session, target.value(), error_code::bad_request, "target_id is the sender");
  // The text goes on as it came, with members that only newer peers understand.
  bus_.deliver(target, std::string(text), [this, id, target](bool delivered) {
    if (delivered) return;
    const auto sender = sessions_.find(id);
    if (sender == sessions_.end() || sender->second.is_over) return;
    refuse(sender->second, target.value(), error_code::unknown_peer);
  });
}

void SignalingHub::refuse(Session& session, const std::optional<std::string>& target,
                          std::string_view code, std::string detail) {
  protocol::Problem problem = protocol::make_problem(code, std::move(detail));
  const signaling::Refusal refusal{.code = std::move(problem.code),
                                   .message = std::move(problem.message),
                                   .hint = std::move(problem.hint),
                                   .target_id = target};
  session.connection->deliver(from_registry(signaling::type::error, refusal.encode()));
}

std::vector<SignalingHub::Edge> SignalingHub::edges() const {
  // Both ends report a link; where they differ for a moment, the first in order counts.
  std::map<std::pair<PeerId, PeerId>, std::string> paths;
  for (const auto& [peer, id] : current_) {
    for (const auto& link : sessions_.at(id).links) {
      std::pair ends(peer, PeerId(link.peer_id));
      if (ends.first == ends.second) continue;
      if (ends.second < ends.first) std::swap(ends.first, ends.second);
      paths.try_emplace(std::move(ends), link.path);
    }
  }
  std::vector<Edge> edges;
  edges.reserve(paths.size());
  for (auto& [ends, path] : paths)
    edges.push_back({.a = ends.first, .b = ends.second, .path = std::move(path)});
  return edges;
}

}  // namespace chatixia::registry
