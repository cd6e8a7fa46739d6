#include <algorithm>

#include "rtc/ice/agent_state.hpp"

// Our connectivity checks and their answers: RFC 8445, section 7.2.
namespace chatixia::rtc::ice {
namespace {

// Checks of pairs that a newer check has replaced still count for a while; this bounds them.
constexpr std::size_t checks_max = 2 * pairs_max;

}  // namespace

void Agent::State::pump_checks(Instant now) {
  while (now >= next_check_at) {
    const CheckList::Next next = list.next();
    if (!next.pair) return;
    start_check(now, *next.pair, false, next.triggered);
  }
}

void Agent::State::start_check(Instant now, CandidatePair& pair, bool is_nominating,
                               bool triggered) {
  const stun::TransactionId id = stun::make_transaction_id(*random);
  const CheckFields fields = {peer_reflexive_priority(pair.local), role, tie_breaker,
                              is_nominating};
  Transmit request{pair.local.base, pair.remote.address, encode_check(id, local, *remote, fields)};
  transmits.push_back(request);

  CheckRecord record{pair.local, pair.remote, now};
  record.triggered = triggered;
  record.nominating = is_nominating;
  const stun::Retransmission policy{options.check_timeout, options.check_transmissions};
  if (checks.size() == checks_max) {
    const Check oldest = std::move(checks.front());
    checks.erase(checks.begin());
    fail_check(now, oldest, CheckOutcome::timed_out);
  }
  checks.push_back({stun::ClientTransaction(id, std::move(request), policy, now), pair.id, role,
                    is_nominating, log.start(std::move(record))});
  // A nomination keeps its pair valid while it is under way.
  if (!is_nominating) pair.state = PairState::in_progress;
  next_check_at = now + options.pacing;
}

void Agent::State::cancel_checks(Instant now, PairId pair) {
  for (Check& check : checks)
    if (check.pair == pair && !check.nominating) check.transaction.cancel_retransmissions(now);
}

bool Agent::State::has_active_check(PairId pair) const {
  return std::any_of(checks.begin(), checks.end(),
                     [&](const Check& check) { return check.pair == pair; });
}

void Agent::State::on_response(Instant now, const Datagram& datagram,
                               const stun::Message& message) {
  if (selected && selected->owns(message.transaction_id())) {
    const Path& path = selected->path();
    if (path.local != datagram.local || path.remote != datagram.remote ||
        !message.verify_integrity(as_bytes(selected->subject().remote.password)))
      return;
    if (message.message_class() == stun::Class::success) {
      selected->on_response(message.transaction_id(), now);
      challenge.reset();
      end_search(now);
    }
    return;
  }

  const auto found = std::find_if(checks.begin(), checks.end(), [&](const Check& check) {
    return check.transaction.matches(message);
  });
  if (found == checks.end() || !remote || !message.verify_integrity(as_bytes(remote->password)))
    return;
  const Check check = std::move(*found);
  checks.erase(found);

  // RFC 8445, section 7.2.5.2.1: the answer must come back along the way of the check.
  const Transmit& request = check.transaction.request();
  if (request.remote != datagram.remote || request.local != datagram.local)
    fail_check(now, check, CheckOutcome::unexpected_source);
  else if (message.message_class() == stun::Class::success)
    on_success(now, check, message);
  else
    on_error(now, check, message);
}

void Agent::State::on_success(Instant now, const Check& check, const stun::Message& message) {
  const auto mapped = message.xor_address(stun::AttributeType::xor_mapped_address);
  if (!mapped) return fail_check(now, check, CheckOutcome::error_response);
  log.finish(check.record, now, CheckOutcome::succeeded);
  if (check.nominating && nominating == check.pair) nominating.reset();
  CandidatePair* const pair = list.find(check.pair);
  if (!pair) return;

  authenticated.add(pair->local.base, pair->remote.address);
  pair->mapped_type = CandidateType::peer_reflexive;
  for (const LocalCandidate& known : locals)
    if (known.candidate.address == *mapped && known.candidate.base == pair->local.base)
      pair->mapped_type = known.candidate.type;
  const bool is_new = !pair->is_valid();
  list.on_success(*pair);
  cancel_checks(now, pair->id);

  const auto rtt = check.transaction.round_trip(now);
  if (is_selected_now() && selected->subject().pair == pair->id) {
    selected->on_confirmed(now);
    challenge.reset();
    end_search(now);
  }
  if (check.nominating) {
    if (role == Role::controlling && check.role == Role::controlling) {
      pair->nominated = true;
      select(now, *pair);
    }
  } else if (role == Role::controlled && pair->nominate_when_valid) {
    on_nominated(now, *pair);
  } else if (is_new && role == Role::controlling && is_selected_now() &&
             selected->subject().pair != pair->id &&
             pair->remote.type == CandidateType::peer_reflexive) {
    // The peer's NAT may have given it a new address and forgotten the old one.
    challenge_selected(now, *pair);
  }
  if (rtt && is_selected_now() && selected->subject().pair == pair->id) selected->set_rtt(*rtt);
}

void Agent::State::on_error(Instant now, const Check& check, const stun::Message& message) {
  const auto error = message.error_code();
  const std::uint16_t code = error ? error->code : 0;
  if (code != 487) return fail_check(now, check, CheckOutcome::error_response, code);

  // RFC 8445, section 7.2.5.1. A check of a role given up meanwhile changes nothing more.
  log.finish(check.record, now, CheckOutcome::role_conflict, code);
  if (check.role == role)
    switch_role(role == Role::controlling ? Role::controlled : Role::controlling);
  if (CandidatePair* const pair = list.find(check.pair); pair && !pair->is_valid())
    list.trigger(*pair);
}

void Agent::State::fail_check(Instant now, const Check& check, CheckOutcome outcome,
                              std::uint16_t code) {
  log.finish(check.record, now, outcome, code);
  if (check.nominating && nominating == check.pair) nominating.reset();
  CandidatePair* const pair = list.find(check.pair);
  if (!pair) return;
  if (check.nominating && pair->is_valid())
    pair->state = PairState::waiting;  // it did work; a plain check tells whether it still does
  else if (pair->state == PairState::in_progress && !has_active_check(pair->id))
    pair->state = PairState::failed;
}

void Agent::State::handle_check_timeouts(Instant now) {
  for (std::size_t i = 0; i < checks.size();) {
    switch (checks[i].transaction.handle_timeout(now)) {
      case stun::ClientTransaction::Step::wait:
        ++i;
        break;
      case stun::ClientTransaction::Step::retransmit:
        transmits.push_back(checks[i].transaction.request());
        ++i;
        break;
      case stun::ClientTransaction::Step::give_up: {
        const Check check = std::move(checks[i]);
        checks.erase(checks.begin() + static_cast<std::ptrdiff_t>(i));
        fail_check(now, check, CheckOutcome::timed_out);
        break;
      }
    }
  }
}

}  // namespace chatixia::rtc::ice
