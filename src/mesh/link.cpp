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

}  // namespace chatixia::mesh
