#include <algorithm>

#include "base/assert.hpp"
#include "mesh/node.hpp"
#include "mesh/node_state.hpp"
#include "rtc/sctp/association.hpp"

namespace chatixia::mesh {

using rtc::ice::Gatherer;
using rtc::peer::MessageKind;
using rtc::peer::PeerConnection;

namespace {

// How long a connection may stay without a channel after the peer closed it, in case it opens
// another one.
constexpr Duration reopen_grace = std::chrono::seconds(5);

template <class... Handlers>
struct Overload : Handlers... {
  using Handlers::operator()...;
};

}  // namespace

Error refusal_of(const PeerId& to, const Error& refused) {
  const std::string name = "\"" + to.value() + "\"";
  if (refused.code == rtc::sctp::Errc::message_too_large) return {Errc::message_too_large, name};
  if (refused.code == rtc::sctp::Errc::send_buffer_full) return {Errc::send_buffer_full, name};
  return {Errc::connect_failed, name + ": " + refused.message()};
}

Link* Node::State::find(const PeerId& peer) {
  const auto found = links.find(peer);
  return found == links.end() ? nullptr : found->second.get();
}

Result<Link*> Node::State::find_or_make(Instant now, const PeerId& peer) {
  if (closing) return fail(Errc::closing);
  Link* link = find(peer);
  if (peer == options.self || peer.value().empty())
    return fail(Errc::unknown_peer, "\"" + peer.value() + "\"");
  if (!link) {
    if (!signaling_open) return fail(Errc::not_connected, "\"" + peer.value() + "\"");
    if (links.size() >= limits::peers_max) return fail(Errc::too_many_peers);
    auto made = std::make_unique<Link>(
        peer, Backoff::Options{.min = options.reconnect_min, .max = options.reconnect_max});
    link = made.get();
    links.emplace(peer, std::move(made));
  }
  if (!link->connection) {
    if (!signaling_open) return fail(Errc::not_connected, "\"" + peer.value() + "\"");
    offer(now, *link);
    link = find(peer);
    if (!link) return fail(Errc::connect_failed, "\"" + peer.value() + "\"");
  }
  return link;
}

void Node::State::make_connection(Instant now, Link& link) {
  PeerConnection::Options connection_options = options.connection;
  connection_options.certificate = options.certificate;
  link.connection.emplace(connection_options, random, now);
  link.answered = false;
  link.offer.clear();
  link.answer.clear();
  link.taken_offer.clear();
  link.open_by = now + options.connect_timeout;
  link.retry_at = never;
  addresses.add_ufrag(link.connection->local_ufrag(), link);
  for (const rtc::ice::Candidate& candidate : gatherer.candidates())
    if (is_usable(candidate)) link.connection->add_local_candidate(now, candidate);
  if (gatherer.completed()) link.connection->end_of_local_candidates(now);
}

void Node::State::offer(Instant now, Link& link) {
  make_connection(now, link);
  link.offerer = true;
  const auto opening =
      link.connection->open_channel(now, {.label = std::string(mesh_channel_label)});
  expects(opening.has_value());  // the first channel of a new connection, with a short name
  link.offer = link.connection->create_offer(now);
  signal(protocol::signaling::type::offer, &link,
         protocol::signaling::Description{link.offer}.encode());
  settle(now, link);
}

void Node::State::drop_connection(Instant now, Link& link, const std::string& reason) {
  if (!link.connection) return;
  const std::size_t undelivered = link.connection->buffered_bytes();
  link.connection->close(now);
  while (auto transmit = link.connection->poll_transmit()) {
    if (gatherer.is_host(transmit->local))
      farewells.push_back(std::move(*transmit));
    else
      gatherer.send_relayed(now, std::move(*transmit));
  }
  link.connection.reset();
  addresses.remove(link);
  link.open_by = never;
  if (!link.channel) return;
  link.channel.reset();
  link.told_full = false;
  links_changed = true;
  events.emplace_back(PeerDisconnected{link.peer, reason, undelivered});
}

void Node::State::fail_pending(Link& link, const Error& error) {
  for (const Link::Pending& pending : link.pending)
    events.emplace_back(SendFailed{pending.ticket, link.peer, error});
  link.pending.clear();
  link.pending_bytes = 0;
  if (std::exchange(link.connect_wanted, false))
    events.emplace_back(ConnectFailed{link.peer, error});
}

void Node::State::give_up(Instant now, Link& link, const std::string& reason) {
  drop_connection(now, link, reason);
  const Error error{Errc::connect_failed, "\"" + link.peer.value() + "\": " + reason};
  if (!present.contains(link.peer)) return forget(link, error);
  fail_pending(link, error);
  link.retry_at = now + link.retry.next(random);
  deadlines.set(link, link.retry_at);
}

void Node::State::forget(Link& link, const Error& error) {
  expects(!link.connection);
  fail_pending(link, error);
  deadlines.remove(link);
  if (link.dirty) std::erase(dirty, &link);
  links.erase(link.peer);
}

bool Node::State::is_usable(const rtc::ice::Candidate& candidate) const {
  return !options.relay_only || candidate.type == rtc::ice::CandidateType::relayed;
}

void Node::State::deliver(Instant now, Link& link, const Datagram& datagram) {
  if (!link.connection) return;
  link.connection->handle_datagram(now, datagram);
  if (link.connection->is_authenticated(datagram.local, datagram.remote))
    addresses.add_address(datagram.local, datagram.remote, link);
  settle(now, link);
}

void Node::State::settle(Instant now, Link& link) {
  const PeerId peer = link.peer;
  while (link.connection) {
    auto event = link.connection->poll_event();
    if (!event) break;
    on_connection_event(now, link, std::move(*event));
    if (find(peer) != &link) return;  // the link ended with this event
  }
  // What the connection waits for is known once its output is drained: see poll_transmit().
  deadlines.set(link, std::min(link.open_by, link.retry_at));
  if (!link.connection || link.dirty) return;
  link.dirty = true;
  dirty.push_back(&link);
}

void Node::State::on_connection_event(Instant now, Link& link, PeerConnection::Event event) {
  std::visit(
      Overload{
          [&](PeerConnection::ChannelOpened& opened) { on_channel_opened(now, link, opened); },
          [&](PeerConnection::MessageReceived& message) {
            // The answerer may see the first message before it has met the channel's name only
            // if DCEP is broken; such a message belongs to no channel of ours.
            if (link.channel != message.channel || message.kind != MessageKind::text) {
              ++link.messages_refused;
              return;
            }
            ++link.messages_received;
            events.emplace_back(MessageReceived{link.peer, std::move(message.bytes)});
          },
          [&](PeerConnection::Writable&) { flush(now, link); },
          [&](PeerConnection::ChannelClosed& closed) {
            if (link.channel == closed.channel) on_channel_closed(now, link);
          },
          [&](PeerConnection::PathChanged&) { links_changed = link.is_open() || links_changed; },
          [&](PeerConnection::Closed&) {
            drop_connection(now, link, "the peer closed the link");
            forget(link, {Errc::connect_failed,
                          "\"" + link.peer.value() + "\": the peer closed the link"});
          },
          [&](PeerConnection::Failed& failed) { give_up(now, link, failed.reason); }},
      event);
}

void Node::State::on_channel_opened(Instant now, Link& link,
                                    const PeerConnection::ChannelOpened& opened) {
  if (opened.options.label != mesh_channel_label) return;
  // Messages of a first channel may be under way still.
  if (link.is_open()) return;
  link.channel = opened.channel;
  link.open_by = never;
  link.retry.reset();
  link.connect_wanted = false;
  links_changed = true;
  events.emplace_back(PeerConnected{link.report()});
  flush(now, link);
}

void Node::State::on_channel_closed(Instant now, Link& link) {
  link.channel.reset();
  link.told_full = false;
  link.open_by = now + reopen_grace;
  links_changed = true;
  events.emplace_back(PeerDisconnected{link.peer, "the peer closed the channel",
                                       link.connection->buffered_bytes()});
}

void Node::State::flush(Instant now, Link& link) {
  if (!link.is_open()) return;
  while (!link.pending.empty()) {
    const Link::Pending& pending = link.pending.front();
    const auto sent =
        link.connection->send(now, *link.channel, MessageKind::text, as_bytes(pending.body));
    if (!sent && sent.error().code == rtc::sctp::Errc::send_buffer_full) return;
    if (sent) {
      ++link.messages_sent;
      events.emplace_back(Sent{pending.ticket});
    } else {
      events.emplace_back(
          SendFailed{pending.ticket, link.peer, refusal_of(link.peer, sent.error())});
    }
    link.pending_bytes -= pending.body.size();
    link.pending.pop_front();
  }
  if (std::exchange(link.told_full, false)) events.emplace_back(Writable{link.peer});
}

void Node::State::on_due(Instant now, Link& link) {
  if (link.retry_at <= now) {
    link.retry_at = never;
    if (signaling_open && !closing) return offer(now, link);
    // Nothing can be tried now; the peer list after the next sign-on starts it again.
    forget(link, {Errc::not_connected, "\"" + link.peer.value() + "\""});
    return;
  }
  if (link.open_by <= now) {
    give_up(now, link, link.unfinished());
    return;
  }
  if (link.connection) link.connection->handle_timeout(now);
  settle(now, link);
}

void Node::State::on_gatherer(Instant now) {
  while (auto event = gatherer.poll_event()) {
    const auto* found = std::get_if<Gatherer::CandidateFound>(&*event);
    const auto* lost = std::get_if<Gatherer::CandidateLost>(&*event);
    if (found && !is_usable(found->candidate)) continue;
    if (std::holds_alternative<Gatherer::ServerFailed>(*event)) continue;
    for (const auto& [peer, link] : links) {
      if (!link->connection) continue;
      if (lost) {
        link->connection->remove_local_candidate(now, lost->candidate);
      } else if (found) {
        link->connection->add_local_candidate(now, found->candidate);
        // The peer of an open link meets a new address in a check, if one is needed.
        if (!link->is_open()) send_candidate(*link, found->candidate.encode());
      } else if (!link->is_open()) {
        link->connection->end_of_local_candidates(now);
        send_candidate(*link, "");
      }
    }
    // Events of the connections are taken up at their next turn, which is now.
    for (auto next = links.begin(); next != links.end();) {
      Link& link = *next->second;
      ++next;
      if (link.connection) settle(now, link);
    }
  }
}

}  // namespace chatixia::mesh
