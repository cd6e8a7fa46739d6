#include <algorithm>

#include "mesh/node.hpp"
#include "mesh/node_state.hpp"
#include "protocol/errors.hpp"

namespace chatixia::mesh {

namespace signaling = protocol::signaling;

namespace {

// Envelopes that wait for a slow or absent registry connection; beyond this the oldest go.
constexpr std::size_t signals_max = 4096;

// The session id of an SDP's origin line (RFC 8866, section 5.2): it tells a renegotiation of
// one connection from a new connection.
std::string_view session_id(std::string_view sdp) {
  const std::size_t origin = sdp.find("o=");
  if (origin == std::string_view::npos) return {};
  const std::size_t begin = sdp.find(' ', origin);
  if (begin == std::string_view::npos) return {};
  return sdp.substr(begin + 1, sdp.find(' ', begin + 1) - begin - 1);
}

}  // namespace

void Node::State::signal(std::string_view type, const Link* to, std::string payload) {
  if (signals.size() >= signals_max) signals.pop_front();
  signaling::Envelope& envelope = signals.emplace_back();
  envelope.type = type;
  envelope.peer_id = options.self.value();
  if (to) envelope.target_id = to->peer.value();
  envelope.payload = std::move(payload);
}

void Node::State::send_candidate(Link& link, std::string line) {
  signal(
      signaling::type::ice_candidate, &link,
      signaling::IceCandidate{std::move(line), link.connection->mid(), std::uint16_t{0}}.encode());
}

// Those that the description we sent does not name; they may have been lost with the registry.
void Node::State::repeat_candidates(Link& link) {
  const std::string& described = link.offerer ? link.offer : link.answer;
  for (const rtc::ice::Candidate& candidate : gatherer.candidates()) {
    std::string line = candidate.encode();
    if (is_usable(candidate) && !described.contains(line)) send_candidate(link, std::move(line));
  }
  if (gatherer.completed()) send_candidate(link, "");
}

// The registry's picture of who is linked to whom is what the sidecars say, after each change.
void Node::State::announce_links() {
  if (!links_changed || !signaling_open) return;
  links_changed = false;
  signaling::Links open;
  for (const auto& [peer, link] : links) {
    if (!link->is_open()) continue;
    const auto path = link->connection->path();
    const bool relayed = path && (path->local_type == rtc::ice::CandidateType::relayed ||
                                  path->remote_type == rtc::ice::CandidateType::relayed);
    open.links.push_back({peer.value(), relayed ? "relay" : "direct"});
  }
  signal(signaling::type::links, nullptr, open.encode());
}

void Node::State::on_peer_list(Instant now, std::string_view payload) {
  const auto list = signaling::PeerList::parse(payload);
  if (!list) return;
  present.clear();
  for (const std::string& id : list->peers) {
    if (present.size() >= limits::peers_max) break;
    const PeerId peer(id);
    present.insert(peer);
    // The newcomer calls; an open link, or one that is being made, outlives a registry restart.
    const Link* link = find(peer);
    if (!link || !link->connection) (void)find_or_make(now, peer);
  }
}

void Node::State::on_offer(Instant now, const PeerId& from, std::string_view payload) {
  const auto description = signaling::Description::parse(payload);
  if (!description || from == options.self || closing) return;
  if (present.size() < limits::peers_max) present.insert(from);

  Link* link = find(from);
  if (!link) {
    if (links.size() >= limits::peers_max) return;
    auto made = std::make_unique<Link>(
        from, Backoff::Options{.min = options.reconnect_min, .max = options.reconnect_max});
    link = made.get();
    links.emplace(from, std::move(made));
    return take_offer(now, *link, description->sdp);
  }
  if (!link->connection) return take_offer(now, *link, description->sdp);

  if (description->sdp == link->taken_offer) {
    // Repeated because our answer seems lost.
    signal(signaling::type::answer, link, signaling::Description{link->answer}.encode());
    return;
  }
  if (!link->offer.empty() && !link->answered && options.self < from) {
    // Glare: the smaller id's offer stands. The peer may never have seen ours (it has just come
    // back, say), so it gets it again.
    signal(signaling::type::offer, link, signaling::Description{link->offer}.encode());
    return;
  }
  if (session_id(description->sdp) == session_id(link->taken_offer)) {
    auto answer = link->connection->accept_offer(now, description->sdp);
    if (!answer) return give_up(now, *link, answer.error().message());
    addresses.add_ufrag(link->connection->local_ufrag(), *link);
    link->taken_offer = description->sdp;
    link->answer = std::move(*answer);
    signal(signaling::type::answer, link, signaling::Description{link->answer}.encode());
    return settle(now, *link);
  }
  drop_connection(now, *link, "the peer made a new connection");
  take_offer(now, *link, description->sdp);
}

void Node::State::take_offer(Instant now, Link& link, const std::string& sdp) {
  make_connection(now, link);
  link.offerer = false;
  auto answer = link.connection->accept_offer(now, sdp);
  if (!answer) return give_up(now, link, "its offer was refused: " + answer.error().message());
  link.taken_offer = sdp;
  link.answer = std::move(*answer);
  link.answered = true;
  signal(signaling::type::answer, &link, signaling::Description{link.answer}.encode());
  if (gatherer.completed()) send_candidate(link, "");
  settle(now, link);
}

void Node::State::on_answer(Instant now, const PeerId& from, std::string_view payload) {
  Link* link = find(from);
  const auto description = signaling::Description::parse(payload);
  if (!description || !link || !link->connection || link->offer.empty() || link->answered) return;
  const auto taken = link->connection->set_answer(now, description->sdp);
  if (!taken) return give_up(now, *link, "its answer was refused: " + taken.error().message());
  link->answered = true;
  if (gatherer.completed()) send_candidate(*link, "");
  settle(now, *link);
}

void Node::State::on_candidate(Instant now, const PeerId& from, std::string_view payload) {
  Link* link = find(from);
  const auto candidate = signaling::IceCandidate::parse(payload);
  if (!candidate || !link || !link->connection) return;
  // A candidate that does not parse harms nobody but the peer that sent it.
  (void)link->connection->add_remote_candidate(now, candidate->candidate);
  settle(now, *link);
}

void Node::State::on_refusal(Instant now, std::string_view payload) {
  const auto refusal = signaling::Refusal::parse(payload);
  if (!refusal || refusal->code != protocol::error_code::unknown_peer || !refusal->target_id)
    return;
  const PeerId peer(*refusal->target_id);
  present.erase(peer);
  Link* link = find(peer);
  if (!link || link->is_open()) return;
  drop_connection(now, *link, "the peer left");
  forget(*link, {Errc::unknown_peer, "\"" + peer.value() + "\""});
}

void Node::handle_signaling_open(Instant now) {
  state_->last_now = now;
  state_->signaling_open = true;
  state_->links_changed = true;
  // What was queued for the old connection may be stale; what matters is said again.
  state_->signals.clear();
  state_->signal(signaling::type::register_, nullptr, "{}");
  for (const auto& [peer, link] : state_->links) {
    if (!link->connection || link->is_open()) continue;
    if (!link->offer.empty() && !link->answered)
      state_->signal(signaling::type::offer, link.get(),
                     signaling::Description{link->offer}.encode());
    state_->repeat_candidates(*link);
  }
  state_->heartbeat_at = now + state_->options.heartbeat_interval;
}

void Node::handle_signaling_closed(Instant now) {
  state_->last_now = now;
  state_->signaling_open = false;
  state_->heartbeat_at = never;
}

void Node::handle_signal(Instant now, const signaling::Envelope& envelope) {
  state_->last_now = now;
  const PeerId from(envelope.peer_id);
  if (envelope.type == signaling::type::peer_list)
    state_->on_peer_list(now, envelope.payload);
  else if (envelope.type == signaling::type::offer)
    state_->on_offer(now, from, envelope.payload);
  else if (envelope.type == signaling::type::answer)
    state_->on_answer(now, from, envelope.payload);
  else if (envelope.type == signaling::type::ice_candidate)
    state_->on_candidate(now, from, envelope.payload);
  else if (envelope.type == signaling::type::error)
    state_->on_refusal(now, envelope.payload);
}

std::optional<signaling::Envelope> Node::poll_signal() {
  if (!state_->signaling_open) return std::nullopt;
  state_->announce_links();
  if (state_->signals.empty()) return std::nullopt;
  signaling::Envelope envelope = std::move(state_->signals.front());
  state_->signals.pop_front();
  return envelope;
}

}  // namespace chatixia::mesh
