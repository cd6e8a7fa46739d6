#include "rtc/ice/reflexive_probe.hpp"

#include <algorithm>

namespace chatixia::rtc::ice {
namespace {

using namespace std::chrono_literals;

// Given up after 7.5 s, so that gathering ends.
constexpr stun::Retransmission policy = {500ms, 4, 8};

// RFC 8445, section 11 asks for 15 s or more; many NATs forget a UDP binding after 30 s.
constexpr Duration keepalive_min = 15s;
constexpr Duration keepalive_spread = 10s;

}  // namespace

Duration server_retry_delay(int failures, RandomSource& random) {
  Duration delay = 30s;
  for (int i = 1; i < failures && delay < Duration(5min); ++i) delay *= 2;
  delay = std::min<Duration>(delay, 5min);
  return delay + random.up_to(delay / 10);
}

ReflexiveProbe::ReflexiveProbe(const Endpoint& base, const Endpoint& server, RandomSource& random,
                               Instant now)
    : base_(base), server_(server), random_(&random) {
  ask(now);
}

void ReflexiveProbe::ask(Instant now) {
  const stun::TransactionId id = stun::make_transaction_id(*random_);
  Transmit request{
      base_, server_,
      stun::Builder(stun::Class::request, stun::Method::binding, id).fingerprint().take()};
  transmits_.push_back(request);
  question_.emplace(id, std::move(request), policy, now);
  ask_at_ = never;
}

bool ReflexiveProbe::handle_datagram(Instant now, const Datagram& datagram) {
  if (!question_ || datagram.remote != server_ || datagram.local != base_) return false;
  const auto message = stun::Message::parse(datagram.bytes);
  if (!message || !question_->matches(*message)) return false;
  // As good as no answer: RFC 8489, section 6.3.3.
  if (message->message_class() != stun::Class::success || !message->unknown_required().empty())
    return true;
  const auto mapped = message->xor_address(stun::AttributeType::xor_mapped_address);
  if (!mapped || mapped->ip.is_v4() != base_.ip.is_v4() || mapped->port == 0) return true;
  mapped_ = *mapped;
  question_.reset();
  failures_ = 0;
  ask_at_ = now + keepalive_min + random_->up_to(keepalive_spread);
  return true;
}

void ReflexiveProbe::handle_timeout(Instant now) {
  if (now >= ask_at_) ask(now);
  if (!question_) return;
  switch (question_->handle_timeout(now)) {
    case stun::ClientTransaction::Step::wait:
      break;
    case stun::ClientTransaction::Step::retransmit:
      transmits_.push_back(question_->request());
      break;
    case stun::ClientTransaction::Step::give_up:
      question_.reset();
      mapped_.reset();
      ask_at_ = now + server_retry_delay(++failures_, *random_);
      break;
  }
}

Instant ReflexiveProbe::next_timeout() const {
  return question_ ? std::min(ask_at_, question_->next_timeout()) : ask_at_;
}

std::optional<Transmit> ReflexiveProbe::poll_transmit() {
  if (transmits_.empty()) return std::nullopt;
  Transmit transmit = std::move(transmits_.front());
  transmits_.pop_front();
  return transmit;
}

}  // namespace chatixia::rtc::ice
