#pragma once

#include <deque>
#include <optional>

#include "base/random.hpp"
#include "base/time.hpp"
#include "rtc/ice/agent.hpp"
#include "rtc/ice/check_list.hpp"
#include "rtc/stun/attribute.hpp"

namespace chatixia::rtc::ice {

// The selected path and the proof that the peer still wants what is sent there: RFC 7675. It
// keeps the credentials it was selected under, so it outlives an ICE restart.
class Consent {
 public:
  struct Options {
    Duration interval = std::chrono::seconds(5);
    Duration lifetime = std::chrono::seconds(30);
  };
  struct Subject {
    PairId pair = 0;  // zero once a restart has thrown the pairs away
    Path path;
    std::uint32_t priority = 0;  // for PRIORITY
    std::uint64_t pair_priority = 0;
    Credentials local;
    Credentials remote;
  };

  Consent(const Options& options, Subject subject, RandomSource& random, Instant now);

  const Subject& subject() const { return subject_; }
  const Path& path() const { return subject_.path; }
  Path& path() { return subject_.path; }
  void forget_pair() { subject_.pair = 0; }

  bool check_is_due(Instant now) const { return now >= check_at_; }
  // A check was sent; it is not repeated, the next one comes an interval later (section 5.1).
  void on_check_sent(const stun::TransactionId& id, Instant now, RandomSource& random);
  // Whether the response belongs to one of these checks.
  bool owns(const stun::TransactionId& id) const;
  void on_response(const stun::TransactionId& id, Instant now);
  // Any other authenticated answer on this path.
  void on_confirmed(Instant now);

  // Answers are late, though consent still holds: time to look for another path.
  bool is_suspect(Instant now) const { return suspect_at_ && now >= *suspect_at_; }
  std::optional<Instant> suspect_at() const { return suspect_at_; }
  void make_suspect(Instant now) { suspect_at_ = now; }

  bool is_expired(Instant now) const { return now >= expires_at_; }
  Instant next_timeout() const;

  std::optional<Duration> rtt() const { return rtt_; }
  void set_rtt(Duration rtt) { rtt_ = rtt; }

 private:
  struct Outstanding {
    stun::TransactionId id;
    Instant sent;
  };

  Options options_;
  Subject subject_;
  Instant check_at_;
  Instant expires_at_;
  std::optional<Instant> suspect_at_;
  std::deque<Outstanding> outstanding_;
  std::optional<Duration> rtt_;
};

}  // namespace chatixia::rtc::ice
