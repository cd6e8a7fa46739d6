#include "mesh/link.hpp"

namespace chatixia::mesh {

LinkReport Link::report() const {
  LinkReport report;
  report.peer = peer;
  report.state = is_open()                         ? LinkState::open
                 : connection || retry_at != never ? LinkState::connecting
                                                   : LinkState::closed;
  report.offerer = offerer;
  if (connection) {
    report.path = connection->path();
    report.rtt = connection->rtt();
    report.timeline = connection->timeline();
    report.buffered_bytes = connection->buffered_bytes();
  }
  report.messages_sent = messages_sent;
  report.messages_received = messages_received;
  report.messages_refused = messages_refused;
  return report;
}

bool Link::leads_to(const Endpoint& remote) const {
  const auto path = connection ? connection->path() : std::nullopt;
  return path && path->remote == remote;
}

std::string Link::unfinished() const {
  if (!answered) return "the peer did not answer";
  const rtc::peer::Timeline& reached = connection->timeline();
  if (!reached.path_found) return "no pair of addresses answered a connectivity check";
  if (!reached.dtls_connected) return "the DTLS handshake did not end in time";
  if (!reached.sctp_connected) return "SCTP did not come up in time";
  if (!reached.channel_open) return "no channel was opened in time";
  return "the peer opened no other channel";
}

}  // namespace chatixia::mesh
