#include "sidecar/link_json.hpp"

#include <cmath>

namespace chatixia::sidecar {
namespace {

std::string_view state_name(mesh::LinkState state) {
  switch (state) {
    case mesh::LinkState::connecting:
      return "connecting";
    case mesh::LinkState::open:
      return "open";
    case mesh::LinkState::closed:
      return "closed";
  }
  return "closed";
}

// Microsecond resolution is what the clock is good for.
double rounded_ms(Duration duration) {
  return std::round(to_ms(duration) * 1000) / 1000;
}

std::string end_of_path(rtc::ice::CandidateType type, const Endpoint& endpoint) {
  return std::string(rtc::ice::to_string(type)) + " " + endpoint.to_string();
}

// Each phase lasts from the end of the one before it.
json::Object phases_json(const rtc::peer::Timeline& timeline) {
  json::Object phases;
  Instant from = timeline.created;
  const auto phase = [&](std::string_view name, const std::optional<Instant>& reached) {
    if (!reached) return;
    phases[name] = rounded_ms(std::max(*reached - from, Duration::zero()));
    from = std::max(from, *reached);
  };
  phase("signaling", timeline.remote_description);
  phase("ice", timeline.path_found);
  phase("dtls", timeline.dtls_connected);
  phase("sctp", timeline.channel_open);
  if (timeline.channel_open)
    phases["total"] = rounded_ms(*timeline.channel_open - timeline.created);
  return phases;
}

}  // namespace

std::string_view path_kind(const rtc::ice::Path& path) {
  const bool relayed = path.local_type == rtc::ice::CandidateType::relayed ||
                       path.remote_type == rtc::ice::CandidateType::relayed;
  return relayed ? "relay" : "direct";
}

json::Object link_json(const mesh::LinkReport& link) {
  json::Object object;
  object["peer_id"] = link.peer.value();
  object["state"] = state_name(link.state);
  object["role"] = link.offerer ? "offerer" : "answerer";
  if (link.path) {
    object["path"] = path_kind(*link.path);
    object["local"] = end_of_path(link.path->local_type, link.path->local);
    object["remote"] = end_of_path(link.path->remote_type, link.path->remote);
  }
  if (link.rtt) object["rtt_ms"] = rounded_ms(*link.rtt);
  object["phases_ms"] = phases_json(link.timeline);
  object["buffered_bytes"] = link.buffered_bytes;
  object["messages_sent"] = link.messages_sent;
  object["messages_received"] = link.messages_received;
  if (link.messages_refused > 0) object["messages_refused"] = link.messages_refused;
  return object;
}

}  // namespace chatixia::sidecar
