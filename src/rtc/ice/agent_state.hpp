#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rtc/ice/agent.hpp"
#include "rtc/ice/binding.hpp"
#include "rtc/ice/check_list.hpp"
#include "rtc/ice/consent.hpp"
#include "rtc/stun/transaction.hpp"

namespace chatixia::rtc::ice {

// Pairs of addresses that an authenticated check has used. Asked for every datagram, so it is
// flat and small; the oldest is overwritten when it is full.
class AuthenticatedPairs {
 public:
  void add(const Endpoint& local, const Endpoint& remote);
  bool contains(const Endpoint& local, const Endpoint& remote) const;

 private:
  static constexpr std::size_t capacity = 128;
  std::vector<std::pair<Endpoint, Endpoint>> pairs_;
  std::size_t oldest_ = 0;
};

// The last checks for people to read. Sequence numbers stay valid while old records fall out.
class CheckLog {
 public:
  std::uint64_t start(CheckRecord record);
  void finish(std::uint64_t sequence, Instant now, CheckOutcome outcome,
              std::uint16_t error_code = 0);
  const std::deque<CheckRecord>& records() const { return records_; }

 private:
  static constexpr std::size_t capacity = 256;
  std::deque<CheckRecord> records_;
  std::uint64_t first_ = 0;
};

// What the agent is made of. Its functions live in four files by what they react to: agent.cpp
// (commands and time), agent_requests.cpp (the peer's checks), agent_checks.cpp (our checks and
// their answers), agent_selection.cpp (nomination, consent, failure).
struct Agent::State {
  struct LocalCandidate {
    Candidate candidate;
    bool removed = false;
  };
  struct Check {
    stun::ClientTransaction transaction;
    PairId pair = 0;
    Role role = Role::controlling;
    bool nominating = false;
    std::uint64_t record = 0;
  };
  // A check that came before the remote description.
  struct EarlyCheck {
    Endpoint local;
    Endpoint remote;
    std::string sender_ufrag;
    CheckFields fields;
  };
  // A pair that replaces the selected one, unless that one proves itself by the deadline.
  struct Challenge {
    PairId pair = 0;
    Instant deadline;
  };

  State(Options options, Credentials local, RandomSource& random, Instant now);

  // agent.cpp
  void add_local(const Candidate& candidate);
  void form_pairs_with_local(const Candidate& local);
  void form_pairs_with_remote(const Candidate& remote);
  void form_all_pairs();
  bool is_wanted(const Candidate& local, const Candidate& remote) const;
  void switch_role(Role role);
  // The best candidate of a base that is there.
  const Candidate* find_local(const Endpoint& base) const;
  bool is_gone(const Endpoint& base) const { return find_local(base) == nullptr; }
  void leave_base(Instant now, const Endpoint& base);
  // Ends every input: sends what is due, nominates, and finds the next deadline and the route.
  void settle(Instant now);
  Instant compute_timeout() const;
  std::optional<Path> compute_route();
  bool is_stopped() const { return failed || disconnected; }
  bool may_check() const { return remote.has_value() && !is_stopped(); }
  void send(const Path& path, Buffer bytes);

  // agent_requests.cpp
  void on_request(Instant now, const Datagram& datagram, const stun::Message& message);
  bool resolve_role_conflict(const Datagram& datagram, const stun::Message& message,
                             const CheckFields& fields);
  void on_early_check(EarlyCheck check);
  void on_check(Instant now, const Candidate& local_candidate, const Endpoint& from,
                const CheckFields& fields);
  const Candidate& learn_remote(const Endpoint& from, std::uint32_t priority);
  void make_room_for_peer_reflexive();

  // agent_checks.cpp
  void pump_checks(Instant now);
  void start_check(Instant now, CandidatePair& pair, bool nominating, bool triggered);
  void cancel_checks(Instant now, PairId pair);
  bool has_active_check(PairId pair) const;
  void on_response(Instant now, const Datagram& datagram, const stun::Message& message);
  void on_success(Instant now, const Check& check, const stun::Message& message);
  void on_error(Instant now, const Check& check, const stun::Message& message);
  void fail_check(Instant now, const Check& check, CheckOutcome outcome, std::uint16_t code = 0);
  void handle_check_timeouts(Instant now);

  // agent_selection.cpp
  void maybe_nominate(Instant now);
  bool is_good_enough(Instant now, const CandidatePair& pair);
  void on_nominated(Instant now, CandidatePair& pair);
  void select(Instant now, CandidatePair& pair);
  void challenge_selected(Instant now, CandidatePair& pair);
  void handle_consent(Instant now);
  void send_consent_check(Instant now);
  void look_for_another_path(Instant now);
  void end_search(Instant now);
  void stop_checking(Instant now, const std::function<bool(const CandidatePair&)>& is_needless);
  void handle_challenge(Instant now);
  void handle_give_up(Instant now);
  bool is_selected_now() const { return selected && selected->subject().pair != 0; }

  Options options;
  Role role;
  std::uint64_t tie_breaker;
  RandomSource* random;

  Credentials local;
  std::optional<Credentials> remote;
  // Answered until the restarted session has selected a path.
  std::optional<Credentials> previous_local;

  std::vector<LocalCandidate> locals;
  std::vector<Candidate> remotes;
  bool remote_ended = false;
  bool local_ended = false;
  std::uint32_t peer_reflexive_count = 0;  // makes their foundations unique

  CheckList list;
  std::vector<Check> checks;
  std::vector<EarlyCheck> early;
  Instant next_check_at = Instant::min();

  AuthenticatedPairs authenticated;
  std::optional<Path> last_authenticated;

  std::optional<Consent> selected;
  std::optional<Challenge> challenge;
  std::optional<PairId> nominating;
  std::optional<Instant> nominate_at;      // the end of the wait for a better pair
  std::optional<Instant> searching_since;  // the selected path is suspect, all pairs run again
  std::optional<Instant> give_up_at;
  bool disconnected = false;
  bool failed = false;

  std::optional<Path> route;
  Instant timeout = never;
  CheckLog log;
  std::deque<Transmit> transmits;
  std::deque<Event> events;
};

}  // namespace chatixia::rtc::ice
