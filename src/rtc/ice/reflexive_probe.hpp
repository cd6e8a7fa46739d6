#pragma once

#include <deque>
#include <optional>

#include "base/datagram.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "rtc/stun/transaction.hpp"

namespace chatixia::rtc::ice {

// When to try a server again that did not answer: 30 s, then twice as long each time up to five
// minutes, a little random so that many nodes do not come back at once.
Duration server_retry_delay(int failures, RandomSource& random);

// Asks one STUN server, from one local address, how that address looks from outside, and goes on
// asking so that the NAT keeps the binding.
class ReflexiveProbe {
 public:
  ReflexiveProbe(const Endpoint& base, const Endpoint& server, RandomSource& random, Instant now);

  // Whether the datagram was an answer to this probe.
  bool handle_datagram(Instant now, const Datagram& datagram);
  void handle_timeout(Instant now);
  Instant next_timeout() const;
  std::optional<Transmit> poll_transmit();

  const Endpoint& base() const { return base_; }
  const Endpoint& server() const { return server_; }
  // The address as the server last saw it; nothing while it does not answer.
  const std::optional<Endpoint>& mapped() const { return mapped_; }
  // Whether the first question has been answered or given up.
  bool is_resolved() const { return mapped_ || failures_ > 0; }

 private:
  void ask(Instant now);

  Endpoint base_;
  Endpoint server_;
  RandomSource* random_;
  std::optional<stun::ClientTransaction> question_;
  std::optional<Endpoint> mapped_;
  Instant ask_at_ = never;
  int failures_ = 0;
  std::deque<Transmit> transmits_;
};

}  // namespace chatixia::rtc::ice
