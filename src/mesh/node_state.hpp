#pragma once

// Node's inside, shared by node.cpp, node_links.cpp and node_signaling.cpp; nothing else includes
// it.

#include <deque>
#include <map>
#include <unordered_set>

#include "mesh/address_table.hpp"
#include "mesh/deadlines.hpp"
#include "mesh/node.hpp"

namespace chatixia::mesh {

// Why an open link refused a message, in the mesh's own codes.
Error refusal_of(const PeerId& to, const Error& refused);

struct Node::State {
  State(Node::Options node_options, RandomSource& random_source, Instant now)
      : options(std::move(node_options)),
        random(random_source),
        gatherer(random_source, now),
        last_now(now) {}

  Options options;
  RandomSource& random;
  rtc::ice::Gatherer gatherer;
  Instant last_now;

  // Ordered, so that one seed gives one run.
  std::map<PeerId, std::unique_ptr<Link>> links;
  AddressTable addresses;
  Deadlines deadlines;
  std::deque<Link*> dirty;
  std::deque<Transmit> farewells;  // last datagrams of connections that are gone
  std::deque<Event> events;

  std::deque<protocol::signaling::Envelope> signals;
  std::unordered_set<PeerId> present;  // who the registry says is there, and who has called
  bool signaling_open = false;
  bool links_changed = false;
  bool closing = false;
  Instant heartbeat_at = never;
  Ticket last_ticket = 0;

  // Signaling, in node_signaling.cpp.
  void signal(std::string_view type, const Link* to, std::string payload);
  void on_peer_list(Instant now, std::string_view payload);
  void on_offer(Instant now, const PeerId& from, std::string_view payload);
  void on_answer(Instant now, const PeerId& from, std::string_view payload);
  void on_candidate(Instant now, const PeerId& from, std::string_view payload);
  void on_refusal(Instant now, std::string_view payload);
  void take_offer(Instant now, Link& link, const std::string& sdp);
  void send_candidate(Link& link, std::string line);
  void repeat_candidates(Link& link);
  void announce_links();

  // Links, in node_links.cpp.
  Link* find(const PeerId& peer);
  Result<Link*> find_or_make(Instant now, const PeerId& peer);
  void offer(Instant now, Link& link);
  void make_connection(Instant now, Link& link);
  void drop_connection(Instant now, Link& link, const std::string& reason);
  void fail_pending(Link& link, const Error& error);
  // The attempt or the link came to an end; tries again later if the peer is still there.
  void give_up(Instant now, Link& link, const std::string& reason);
  void forget(Link& link, const Error& error);
  // The link whose check is answered by a STUN message without our ufrag, if any.
  Link* find_asker(const Datagram& answer);
  void deliver(Instant now, Link& link, const Datagram& datagram);
  // Takes up what the connection has to say and when it wants to be called again.
  void settle(Instant now, Link& link);
  void on_connection_event(Instant now, Link& link, rtc::peer::PeerConnection::Event event);
  void on_channel_opened(Instant now, Link& link,
                         const rtc::peer::PeerConnection::ChannelOpened& opened);
  void on_channel_closed(Instant now, Link& link);
  void flush(Instant now, Link& link);
  void on_gatherer(Instant now);
  bool is_usable(const rtc::ice::Candidate& candidate) const;
  void on_due(Instant now, Link& link);
};

}  // namespace chatixia::mesh
