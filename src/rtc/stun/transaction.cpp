#include "rtc/stun/transaction.hpp"

#include <utility>

namespace chatixia::rtc::stun {

TransactionId make_transaction_id(RandomSource& random) {
  TransactionId id;
  random.fill(id);
  return id;
}

ClientTransaction::ClientTransaction(const TransactionId& id, Transmit request,
                                     const Retransmission& policy, Instant now)
    : id_(id), request_(std::move(request)), policy_(policy), started_(now), interval_(policy.rto) {
  due_ = now + (policy.transmissions > 1 ? interval_ : policy.rto * policy.last_wait_factor);
}

ClientTransaction::Step ClientTransaction::handle_timeout(Instant now) {
  if (now < due_) return Step::wait;
  if (cancelled_ || sent_ >= policy_.transmissions) return Step::give_up;
  ++sent_;
  interval_ *= 2;
  due_ = now + (sent_ < policy_.transmissions ? interval_ : policy_.rto * policy_.last_wait_factor);
  return Step::retransmit;
}

bool ClientTransaction::matches(const Message& message) const {
  const Class kind = message.message_class();
  return (kind == Class::success || kind == Class::error) && message.transaction_id() == id_;
}

void ClientTransaction::cancel_retransmissions(Instant now) {
  if (cancelled_) return;
  cancelled_ = true;
  due_ = now + policy_.rto * policy_.last_wait_factor;
}

std::optional<Duration> ClientTransaction::round_trip(Instant now) const {
  if (sent_ > 1) return std::nullopt;
  return now - started_;
}

}  // namespace chatixia::rtc::stun
