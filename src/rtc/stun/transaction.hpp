#pragma once

#include <optional>

#include "base/datagram.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "rtc/stun/message.hpp"

namespace chatixia::rtc::stun {

TransactionId make_transaction_id(RandomSource& random);

// How long and how often a request over UDP is repeated: RFC 8489, section 6.2.1.
struct Retransmission {
  Duration rto = std::chrono::milliseconds(500);
  int transmissions = 7;      // Rc
  int last_wait_factor = 16;  // Rm: after the last one, wait this many RTOs
};

// The life of one request over UDP: when to repeat it, when to give it up, and which response
// is its own. The first transmission belongs to whoever creates it.
class ClientTransaction {
 public:
  ClientTransaction(const TransactionId& id, Transmit request, const Retransmission& policy,
                    Instant now);

  enum class Step { wait, retransmit, give_up };
  // Call at next_timeout(); on `retransmit` send request() once more.
  Step handle_timeout(Instant now);
  Instant next_timeout() const { return due_; }

  // Whether `message` is a response to this request. Where it came from is for the caller to judge.
  bool matches(const Message& message) const;

  // No more repeats; a late response still counts until the last wait is over.
  void cancel_retransmissions(Instant now);

  const TransactionId& id() const { return id_; }
  const Transmit& request() const { return request_; }
  // The time an answer took; unknown once the request was repeated (Karn's rule).
  std::optional<Duration> round_trip(Instant now) const;

 private:
  TransactionId id_;
  Transmit request_;
  Retransmission policy_;
  Instant started_;
  Instant due_;
  Duration interval_;
  int sent_ = 1;
  bool cancelled_ = false;
};

}  // namespace chatixia::rtc::stun
