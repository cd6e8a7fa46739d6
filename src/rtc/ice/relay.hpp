#pragma once

#include <optional>
#include <string>

#include "base/random.hpp"
#include "base/time.hpp"
#include "rtc/ice/gatherer.hpp"
#include "rtc/turn/client.hpp"

namespace chatixia::rtc::ice {

// One TURN server and the allocation that we want there; a lost one is replaced after a while.
class Relay {
 public:
  Relay(Server server, const Endpoint& base, RandomSource& random, Instant now);

  turn::Client::Handled handle_datagram(Instant now, const Datagram& datagram);
  void send(Instant now, const Endpoint& peer, Bytes bytes);
  void release(Instant now);
  // The same server with other credentials. They serve the next allocation; the present one keeps
  // those it was made with: RFC 8656, section 5.
  void set_server(Instant now, Server server);
  void handle_timeout(Instant now);
  Instant next_timeout() const;
  std::optional<Transmit> poll_transmit();

  const Server& server() const { return server_; }
  const Endpoint& base() const { return base_; }
  const std::optional<Endpoint>& relayed() const { return relayed_; }
  // Our address as the TURN server sees it.
  const std::optional<Endpoint>& mapped() const { return mapped_; }
  bool is_resolved() const { return resolved_; }
  // Why the last try failed; empty once there is an allocation.
  const std::string& failure() const { return failure_; }

 private:
  void allocate(Instant now);
  void take_events(Instant now);

  Server server_;
  Endpoint base_;
  RandomSource* random_;
  std::optional<turn::Client> client_;
  std::optional<Endpoint> relayed_;
  std::optional<Endpoint> mapped_;
  Instant retry_at_ = never;
  int failures_ = 0;
  bool resolved_ = false;
  bool has_new_credentials_ = false;  // which the present client does not use
  std::string failure_;
};

}  // namespace chatixia::rtc::ice
