#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/datagram.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "base/strong.hpp"
#include "base/time.hpp"
#include "crypto/certificate.hpp"
#include "mesh/errc.hpp"
#include "mesh/link.hpp"
#include "protocol/signaling.hpp"
#include "rtc/ice/gatherer.hpp"
#include "rtc/peer/peer_connection.hpp"

namespace chatixia::mesh {

// One sidecar's place in the mesh: which peers there are, who calls whom, what waits for whom.
// Sans-I/O: one input (a datagram, a signal, a command, a timeout), then drain poll_signal(),
// poll_transmit() and poll_event(), then re-arm next_timeout().
class Node {
 public:
  struct Options {
    PeerId self;
    const crypto::Certificate* certificate = nullptr;  // outlives the node
    bool relay_only = false;                           // ICE_TRANSPORT_POLICY=relay
    // A link that is not open after this long is given up.
    Duration connect_timeout = std::chrono::seconds(15);
    // Lost links to peers that are still on the mesh are tried again: full jitter, doubling.
    Duration reconnect_min = std::chrono::milliseconds(200);
    Duration reconnect_max = std::chrono::seconds(30);
    // Keeps the registry connection alive through proxies.
    Duration heartbeat_interval = std::chrono::seconds(30);
    rtc::peer::PeerConnection::Options connection;
  };

  struct PeerConnected {
    LinkReport link;
  };
  // `undelivered_bytes` had been taken for the peer and were not acknowledged by it.
  struct PeerDisconnected {
    PeerId peer;
    std::string reason;
    std::size_t undelivered_bytes = 0;
  };
  struct MessageReceived {
    PeerId from;
    Buffer body;
  };
  // A waiting message went into the link's send buffer, or never will.
  struct Sent {
    Ticket ticket;
  };
  struct SendFailed {
    Ticket ticket;
    PeerId to;
    Error error;
  };
  struct Writable {
    PeerId peer;
  };
  // A connect() came to nothing; PeerConnected says that it came to something.
  struct ConnectFailed {
    PeerId peer;
    Error error;
  };
  using Event = std::variant<PeerConnected, PeerDisconnected, MessageReceived, Sent, SendFailed,
                             Writable, ConnectFailed>;

  Node(Options options, RandomSource& random, Instant now);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // What the host offers. May change at any time.
  void set_host_addresses(Instant now, const std::vector<Endpoint>& addresses);
  void set_ice_servers(Instant now, const std::vector<rtc::ice::Server>& servers);

  // The registry connection. Losing it closes no link.
  void handle_signaling_open(Instant now);
  void handle_signaling_closed(Instant now);
  void handle_signal(Instant now, const protocol::signaling::Envelope& envelope);
  std::optional<protocol::signaling::Envelope> poll_signal();

  // The agent's commands. A message is UTF-8 text. A message for an open link goes into its send
  // buffer at once and answers no ticket; one for a link that is being made waits and answers its
  // ticket by Sent or SendFailed later. What cannot be is an error at once.
  Result<std::optional<Ticket>> send(Instant now, const PeerId& to, std::string_view body);
  // To every open link; the peers that it could not be sent to are returned, with the reason.
  std::vector<std::pair<PeerId, Error>> broadcast(Instant now, std::string_view body);
  Result<void> connect(Instant now, const PeerId& peer);
  // Says goodbye to everyone; drain once more, then destroy.
  void close(Instant now);

  void handle_datagram(Instant now, const Datagram& datagram);
  void handle_timeout(Instant now);
  Instant next_timeout() const;
  std::optional<Transmit> poll_transmit();
  std::optional<Event> poll_event();

  std::vector<PeerId> open_peers() const;
  std::vector<LinkReport> links() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace chatixia::mesh
