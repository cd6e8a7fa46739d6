#include <algorithm>

#include "rtc/ice/agent_state.hpp"

// Which valid pair carries the data, and until when: RFC 8445, section 8 and RFC 7675.
namespace chatixia::rtc::ice {
namespace {

// How long a good pair waits for a better one that is still being checked.
constexpr Duration nomination_grace = std::chrono::milliseconds(100);

// How long the selected pair has to answer when another one wants its place.
constexpr Duration challenge_wait = std::chrono::milliseconds(500);

// How long a suspect path may recover before another valid pair replaces it.
constexpr Duration recovery_wait = std::chrono::seconds(1);

bool is_reflexive_by_server(const CandidatePair& pair) {
  return pair.mapped_type == CandidateType::server_reflexive ||
         pair.remote.type == CandidateType::server_reflexive;
}

}  // namespace

// Regular nomination by the controlling agent: RFC 8445, section 8.1.1.
void Agent::State::maybe_nominate(Instant now) {
  if (role != Role::controlling || nominating) return;
  CandidatePair* const best = list.best_valid();
  if (!best) return;

  if (is_selected_now()) {
    const bool is_given_up = searching_since && (now >= *searching_since + recovery_wait ||
                                                 is_gone(selected->path().local));
    const bool selected_is_lost = is_given_up && best->id != selected->subject().pair;
    if (!selected_is_lost && relayed_ends(*best) >= relayed_ends(selected->path())) return;
  } else if (!is_good_enough(now, *best)) {
    return;
  }
  nominate_at.reset();
  nominating = best->id;
  // Not paced: it is one packet, and the peer waits for it.
  start_check(now, *best, true, false);
}

bool Agent::State::is_good_enough(Instant now, const CandidatePair& pair) {
  if (relayed_ends(pair) == 0 && !is_reflexive_by_server(pair)) return true;
  const bool more_may_come = !local_ended || !remote_ended;
  if (!more_may_come && !list.has_unfinished_above(pair.priority)) return true;
  if (!nominate_at) nominate_at = now + nomination_grace;
  return now >= *nominate_at;
}

// The controlled side: the peer's check with USE-CANDIDATE has met a valid pair.
void Agent::State::on_nominated(Instant now, CandidatePair& pair) {
  const bool is_new = !pair.nominated;
  pair.nominated = true;
  pair.nominate_when_valid = false;
  if (!is_selected_now() || selected->subject().pair == pair.id) return select(now, pair);
  // A peer that checked first and nominated later has decided; of pairs that were nominated from
  // their first check on, the best one counts (RFC 5245's aggressive nomination).
  const bool is_decision = is_new && pair.plain_check_seen;
  if (is_decision || pair.priority > selected->subject().pair_priority)
    select(now, pair);
  else
    challenge_selected(now, pair);
}

void Agent::State::select(Instant now, CandidatePair& pair) {
  challenge.reset();
  const Path path = pair.path();
  if (is_selected_now() && selected->subject().pair == pair.id) {
    // Named again, as in each consent check of the peer. Only an answer to a check of ours proves
    // that the peer wants what is sent there: RFC 7675, section 5.1.
    selected->path() = path;
    return;
  }
  searching_since.reset();
  give_up_at.reset();
  nominate_at.reset();
  previous_local.reset();
  selected.emplace(Consent::Options{options.consent_interval, options.consent_lifetime},
                   Consent::Subject{pair.id, path, peer_reflexive_priority(pair.local),
                                    pair.priority, local, *remote},
                   *random, now);
  events.push_back(Selected{path});

  // What could not replace this pair needs no more checks.
  const std::uint64_t priority = pair.priority;
  const int relays = relayed_ends(path);
  stop_checking(now, [&](const CandidatePair& other) {
    return other.priority < priority ||
           (role == Role::controlling && relayed_ends(other) >= relays);
  });
}

// An answer may still come to what is under way, and then changes nothing.
void Agent::State::stop_checking(Instant now,
                                 const std::function<bool(const CandidatePair&)>& is_needless) {
  list.remove_if(
      [&](const CandidatePair& pair) { return pair.is_unfinished() && is_needless(pair); });
  for (Check& check : checks)
    if (!list.find(check.pair)) check.transaction.cancel_retransmissions(now);
}

// The selected path has answered again.
void Agent::State::end_search(Instant now) {
  if (!searching_since || !is_selected_now() || is_gone(selected->path().local)) return;
  searching_since.reset();
  nominate_at.reset();
  stop_checking(now, [&](const CandidatePair& pair) {
    return pair.id != selected->subject().pair && !is_wanted(pair.local, pair.remote);
  });
}

void Agent::State::challenge_selected(Instant now, CandidatePair& pair) {
  if (challenge) return;
  challenge = Challenge{pair.id, now + challenge_wait};
  send_consent_check(now);
}

void Agent::State::handle_challenge(Instant now) {
  if (!challenge || now < challenge->deadline) return;
  const Challenge ended = *std::exchange(challenge, std::nullopt);
  CandidatePair* const pair = list.find(ended.pair);
  if (!pair || !pair->is_valid()) return;
  if (role == Role::controlled) {
    if (pair->nominated) select(now, *pair);
  } else if (!nominating && may_check()) {
    nominating = pair->id;
    start_check(now, *pair, true, false);
  }
}

void Agent::State::handle_consent(Instant now) {
  if (!selected) return;
  if (selected->is_expired(now)) {
    disconnected = true;
    for (const Check& check : checks) log.finish(check.record, now, CheckOutcome::timed_out);
    checks.clear();
    events.push_back(Disconnected{});
    return;
  }
  const bool check_is_due = selected->check_is_due(now);
  if (check_is_due) send_consent_check(now);
  if (!selected->is_suspect(now) && !is_gone(selected->path().local)) return;
  if (!searching_since || (check_is_due && !list.has_unfinished_above(0)))
    look_for_another_path(now);
}

void Agent::State::send_consent_check(Instant now) {
  const stun::TransactionId id = stun::make_transaction_id(*random);
  const Consent::Subject& subject = selected->subject();
  // USE-CANDIDATE again: should our NAT have moved us, the peer learns the new pair is the one.
  const CheckFields fields = {subject.priority, role, tie_breaker, role == Role::controlling};
  send(subject.path, encode_check(id, subject.local, subject.remote, fields));
  selected->on_check_sent(id, now, *random);
}

// Runs every pair again, the selected one too, as after a change of network. A pair whose base is
// gone stays failed, so that another one can take its place.
void Agent::State::look_for_another_path(Instant now) {
  if (!is_selected_now() || !may_check()) return;
  searching_since = now;
  nominate_at = now + recovery_wait;
  form_all_pairs();
  for (const auto& pair : list.pairs()) {
    if (pair->state == PairState::in_progress || is_gone(pair->local.base)) continue;
    pair->nominated = pair->nominated && pair->id == selected->subject().pair;
    pair->state = PairState::waiting;
  }
}

void Agent::State::handle_give_up(Instant now) {
  if (!give_up_at || now < *give_up_at) return;
  give_up_at.reset();
  if (selected) return;  // the path from before a restart still works
  failed = true;
  const bool had_valid = list.best_valid() != nullptr;
  std::string reason = "no pair of addresses answered a connectivity check";
  if (remotes.empty()) reason = "the peer has named no address that can be used";
  if (locals.empty()) reason = "there is no local address to check from";
  if (had_valid) reason = "a path works, but the peer never nominated one";
  for (const Check& check : checks) log.finish(check.record, now, CheckOutcome::timed_out);
  checks.clear();
  events.push_back(Failed{std::move(reason)});
}

}  // namespace chatixia::rtc::ice
