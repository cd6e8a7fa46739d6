#include "rtc/ice/consent.hpp"

#include <algorithm>
#include <utility>

namespace chatixia::rtc::ice {
namespace {

// All checks of one consent lifetime at the shortest interval, so that a late answer still counts.
constexpr std::size_t outstanding_max = 8;

// An answer that takes longer than this is taken for lost.
constexpr Duration answer_wait = std::chrono::seconds(1);

// Randomised by a fifth both ways, so that checks of many sessions do not march in step.
Instant next_check(Instant now, Duration interval, RandomSource& random) {
  return now + interval * 4 / 5 + random.up_to(interval * 2 / 5);
}

}  // namespace

Consent::Consent(const Options& options, Subject subject, RandomSource& random, Instant now)
    : options_(options),
      subject_(std::move(subject)),
      check_at_(next_check(now, options.interval, random)),
      expires_at_(now + options.lifetime) {}

void Consent::on_check_sent(const stun::TransactionId& id, Instant now, RandomSource& random) {
  if (outstanding_.size() == outstanding_max) outstanding_.pop_front();
  outstanding_.push_back({id, now});
  if (!suspect_at_) suspect_at_ = now + answer_wait;
  check_at_ = next_check(now, options_.interval, random);
}

bool Consent::owns(const stun::TransactionId& id) const {
  return std::any_of(outstanding_.begin(), outstanding_.end(),
                     [&](const Outstanding& check) { return check.id == id; });
}

void Consent::on_response(const stun::TransactionId& id, Instant now) {
  const auto check = std::find_if(outstanding_.begin(), outstanding_.end(),
                                  [&](const Outstanding& other) { return other.id == id; });
  if (check == outstanding_.end()) return;
  rtt_ = now - check->sent;
  on_confirmed(now);
}

void Consent::on_confirmed(Instant now) {
  outstanding_.clear();
  suspect_at_.reset();
  expires_at_ = now + options_.lifetime;
}

Instant Consent::next_timeout() const {
  return std::min(check_at_, expires_at_);
}

}  // namespace chatixia::rtc::ice
