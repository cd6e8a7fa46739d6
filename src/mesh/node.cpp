#include "mesh/node.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "mesh/node_state.hpp"

namespace chatixia::mesh {

using rtc::peer::MessageKind;

Node::Node(Options options, RandomSource& random, Instant now)
    : state_(std::make_unique<State>(std::move(options), random, now)) {
  expects(state_->options.certificate != nullptr);
}

Node::~Node() = default;

void Node::set_host_addresses(Instant now, const std::vector<Endpoint>& addresses) {
  state_->last_now = now;
  state_->gatherer.set_host_addresses(now, addresses);
  state_->on_gatherer(now);
}

void Node::set_ice_servers(Instant now, const std::vector<rtc::ice::Server>& servers) {
  state_->last_now = now;
  state_->gatherer.set_servers(now, servers);
  state_->on_gatherer(now);
}

Result<std::optional<Ticket>> Node::send(Instant now, const PeerId& to, std::string_view body) {
  state_->last_now = now;
  if (body.size() > state_->options.connection.message_bytes_max)
    return fail(Errc::message_too_large);
  const auto found = state_->find_or_make(now, to);
  if (!found) return std::unexpected(found.error());
  Link& link = **found;

  if (link.is_open() && link.pending.empty()) {
    const auto sent = link.connection->send(now, *link.channel, MessageKind::text, as_bytes(body));
    if (sent) {
      ++link.messages_sent;
      state_->settle(now, link);
      return std::optional<Ticket>{};
    }
    const Error refused = refusal_of(to, sent.error());
    link.told_full = link.told_full || refused.code == Errc::send_buffer_full;
    return std::unexpected(refused);
  }
  if (link.pending.size() >= limits::pending_messages_max ||
      link.pending_bytes + body.size() > limits::pending_bytes_max) {
    link.told_full = true;
    return fail(Errc::send_buffer_full,
                "\"" + to.value() + "\": too much waits for the link to open");
  }
  link.pending.push_back({++state_->last_ticket, std::string(body)});
  link.pending_bytes += body.size();
  return std::optional<Ticket>{state_->last_ticket};
}

std::vector<std::pair<PeerId, Error>> Node::broadcast(Instant now, std::string_view body) {
  state_->last_now = now;
  std::vector<std::pair<PeerId, Error>> missed;
  for (const PeerId& peer : open_peers())
    if (auto sent = send(now, peer, body); !sent) missed.emplace_back(peer, sent.error());
  return missed;
}

Result<void> Node::connect(Instant now, const PeerId& peer) {
  state_->last_now = now;
  const auto found = state_->find_or_make(now, peer);
  if (!found) return std::unexpected(found.error());
  if (!(*found)->is_open()) (*found)->connect_wanted = true;
  return {};
}

void Node::close(Instant now) {
  state_->last_now = now;
  state_->closing = true;
  while (!state_->links.empty()) {
    Link& link = *state_->links.begin()->second;
    state_->drop_connection(now, link, "this node is shutting down");
    state_->forget(link, {Errc::closing, {}});
  }
  state_->gatherer.close(now);
}

void Node::handle_datagram(Instant now, const Datagram& datagram) {
  state_->last_now = now;
  Datagram inner = datagram;
  auto handled = state_->gatherer.handle_datagram(now, datagram);
  if (std::holds_alternative<rtc::ice::Gatherer::Consumed>(handled))
    return state_->on_gatherer(now);
  if (const auto* relayed = std::get_if<Datagram>(&handled)) inner = *relayed;
  if (inner.bytes.empty()) return;

  // RFC 7983: STUN begins with 0 to 3. A check names our ufrag, an answer the transaction of a
  // check of ours; everything else comes from an address that an authenticated check has used.
  Link* link = nullptr;
  if (inner.bytes[0] > 3)
    link = state_->addresses.find_address(inner.remote);
  else if (const auto ufrag = rtc::ice::receiver_ufrag(inner.bytes))
    link = state_->addresses.find_ufrag(*ufrag);
  else
    link = state_->find_asker(inner);
  if (link) state_->deliver(now, *link, inner);
}

Link* Node::State::find_asker(const Datagram& answer) {
  const auto has_asked = [&](const Link& link) {
    return link.connection && link.connection->is_answer(answer.bytes);
  };
  Link* const known = addresses.find_address(answer.remote);
  if (known && has_asked(*known)) return known;
  for (const auto& [peer, link] : links)
    if (has_asked(*link)) return link.get();
  return nullptr;
}

void Node::handle_timeout(Instant now) {
  state_->last_now = now;
  if (state_->gatherer.next_timeout() <= now) {
    state_->gatherer.handle_timeout(now);
    state_->on_gatherer(now);
  }
  if (state_->heartbeat_at <= now) {
    state_->signal(protocol::signaling::type::heartbeat, nullptr, "{}");
    state_->heartbeat_at = now + state_->options.heartbeat_interval;
  }
  while (Link* link = state_->deadlines.due(now)) state_->on_due(now, *link);
}

Instant Node::next_timeout() const {
  return std::min(
      {state_->deadlines.earliest(), state_->gatherer.next_timeout(), state_->heartbeat_at});
}

std::optional<Transmit> Node::poll_transmit() {
  if (!state_->farewells.empty()) {
    Transmit transmit = std::move(state_->farewells.front());
    state_->farewells.pop_front();
    return transmit;
  }
  while (!state_->dirty.empty()) {
    Link& link = *state_->dirty.front();
    if (link.connection) {
      while (auto transmit = link.connection->poll_transmit()) {
        if (state_->gatherer.is_host(transmit->local)) return transmit;
        // Drops what comes from a relay that is gone.
        state_->gatherer.send_relayed(state_->last_now, std::move(*transmit));
      }
      state_->deadlines.set(
          link, std::min({link.open_by, link.retry_at, link.connection->next_timeout()}));
    }
    link.dirty = false;
    state_->dirty.pop_front();
  }
  return state_->gatherer.poll_transmit();
}

std::optional<Node::Event> Node::poll_event() {
  if (state_->events.empty()) return std::nullopt;
  Event event = std::move(state_->events.front());
  state_->events.pop_front();
  return event;
}

std::vector<PeerId> Node::open_peers() const {
  std::vector<PeerId> peers;
  for (const auto& [peer, link] : state_->links)
    if (link->is_open()) peers.push_back(peer);
  return peers;
}

std::vector<LinkReport> Node::links() const {
  std::vector<LinkReport> reports;
  for (const auto& [peer, link] : state_->links) reports.push_back(link->report());
  return reports;
}

}  // namespace chatixia::mesh
