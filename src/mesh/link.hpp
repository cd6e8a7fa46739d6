#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/strong.hpp"
#include "base/time.hpp"
#include "mesh/backoff.hpp"
#include "rtc/peer/peer_connection.hpp"

namespace chatixia::mesh {

// Connecting counts the wait for the next try; closed is a link that nothing will be tried for.
enum class LinkState { connecting, open, closed };

// One link as people want to see it.
struct LinkReport {
  PeerId peer;
  LinkState state = LinkState::connecting;
  bool offerer = false;
  std::optional<rtc::ice::Path> path;
  std::optional<Duration> rtt;
  rtc::peer::Timeline timeline;
  std::size_t buffered_bytes = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t messages_received = 0;
  std::uint64_t messages_refused = 0;  // not text, or on a channel that is not ours
};

// Names one accepted send, so that a later outcome can be matched.
using Ticket = std::uint64_t;

// The label of the one channel that mesh messages travel on.
inline constexpr std::string_view mesh_channel_label = "mesh";

// What a node knows of one peer: the connection there is, or when the next one is tried, and the
// messages that wait for it. A plain record: Node holds the logic.
struct Link {
  struct Pending {
    Ticket ticket;
    std::string body;
  };

  explicit Link(PeerId id, Backoff::Options backoff) : peer(std::move(id)), retry(backoff) {}

  PeerId peer;
  bool offerer = false;
  std::optional<rtc::peer::PeerConnection> connection;
  std::optional<rtc::peer::ChannelId> channel;  // set while the link is open

  // Our offer while it waits for its answer; the last offer taken and the answer to it.
  std::string offer;
  std::string taken_offer;
  std::string answer;
  bool answered = false;

  std::deque<Pending> pending;
  std::size_t pending_bytes = 0;
  bool connect_wanted = false;  // a connect() waits for its outcome
  bool told_full = false;       // a send was refused; Writable is owed

  Instant open_by = never;   // the connection is given up then
  Instant retry_at = never;  // the next try
  Backoff retry;

  Instant deadline = never;  // as it stands in Node's queue of deadlines
  bool dirty = false;        // has output to drain
  // What Node's table of addresses says of this link.
  std::vector<std::string> ufrags;
  std::vector<Endpoint> addresses;

  std::uint64_t messages_sent = 0;
  std::uint64_t messages_received = 0;
  std::uint64_t messages_refused = 0;

  bool is_open() const { return channel.has_value(); }
  // Whether the path in use ends at this address.
  bool leads_to(const Endpoint& remote) const;
  // What an attempt was waiting for when its time ran out.
  std::string unfinished() const;
  LinkReport report() const;
};

}  // namespace chatixia::mesh
