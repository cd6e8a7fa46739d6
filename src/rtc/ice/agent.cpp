#include "rtc/ice/agent.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "rtc/ice/agent_state.hpp"

namespace chatixia::rtc::ice {
namespace {

constexpr std::string_view ice_chars =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool is_usable(const Candidate& candidate) {
  // A link-local address means nothing without the zone that a candidate cannot carry.
  return candidate.address.port != 0 &&
         !(candidate.address.ip.is_v6() && candidate.address.ip.is_link_local());
}

}  // namespace

Credentials Credentials::make(RandomSource& random) {
  return {random.text(8, ice_chars), random.text(24, ice_chars)};
}

void AuthenticatedPairs::add(const Endpoint& local, const Endpoint& remote) {
  if (contains(local, remote)) return;
  if (pairs_.size() < capacity) {
    pairs_.emplace_back(local, remote);
    return;
  }
  pairs_[oldest_] = {local, remote};
  oldest_ = (oldest_ + 1) % capacity;
}

bool AuthenticatedPairs::contains(const Endpoint& local, const Endpoint& remote) const {
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const auto& pair) {
    return pair.second == remote && pair.first == local;
  });
}

std::uint64_t CheckLog::start(CheckRecord record) {
  if (records_.size() == capacity) {
    records_.pop_front();
    ++first_;
  }
  records_.push_back(std::move(record));
  return first_ + records_.size() - 1;
}

void CheckLog::finish(std::uint64_t sequence, Instant now, CheckOutcome outcome,
                      std::uint16_t error_code) {
  if (sequence < first_) return;
  CheckRecord& record = records_[sequence - first_];
  record.ended = now;
  record.outcome = outcome;
  record.error_code = error_code;
}

Agent::State::State(Options agent_options, Credentials credentials, RandomSource& source,
                    Instant now)
    : options(agent_options),
      role(agent_options.role),
      tie_breaker(source.u64()),
      random(&source),
      local(std::move(credentials)),
      list(agent_options.role),
      next_check_at(now) {}

const Candidate* Agent::State::find_local(const Endpoint& base) const {
  const Candidate* best = nullptr;
  for (const LocalCandidate& other : locals) {
    if (other.removed || other.candidate.base != base) continue;
    if (!best || other.candidate.priority > best->priority) best = &other.candidate;
  }
  return best;
}

void Agent::State::add_local(const Candidate& candidate) {
  if (!is_usable(candidate)) return;
  for (LocalCandidate& known : locals) {
    if (known.candidate.address != candidate.address || known.candidate.base != candidate.base)
      continue;
    known = {candidate, false};
    form_pairs_with_local(candidate);
    return;
  }
  if (locals.size() == limits::candidates_max) {
    const auto removed = std::find_if(locals.begin(), locals.end(),
                                      [](const LocalCandidate& other) { return other.removed; });
    if (removed == locals.end()) return;
    locals.erase(removed);
  }
  locals.push_back({candidate, false});
  form_pairs_with_local(candidate);
}

// While a good path is selected, only what needs fewer relays is worth a check.
bool Agent::State::is_wanted(const Candidate& local_candidate, const Candidate& candidate) const {
  if (!is_selected_now() || searching_since) return true;
  const int relays = (local_candidate.type == CandidateType::relayed ? 1 : 0) +
                     (candidate.type == CandidateType::relayed ? 1 : 0);
  return relays < relayed_ends(selected->path());
}

void Agent::State::form_pairs_with_local(const Candidate& candidate) {
  for (const Candidate& other : remotes)
    if (is_wanted(candidate, other)) list.add(candidate, other);
}

void Agent::State::form_pairs_with_remote(const Candidate& candidate) {
  for (const LocalCandidate& other : locals)
    if (!other.removed && is_wanted(other.candidate, candidate))
      list.add(other.candidate, candidate);
}

void Agent::State::form_all_pairs() {
  for (const Candidate& candidate : remotes) form_pairs_with_remote(candidate);
}

void Agent::State::leave_base(Instant now, const Endpoint& base) {
  std::erase_if(checks, [&](const Check& check) {
    if (check.transaction.request().local != base) return false;
    log.finish(check.record, now, CheckOutcome::timed_out);
    if (nominating == check.pair) nominating.reset();
    return true;
  });
  const PairId kept = is_selected_now() ? selected->subject().pair : 0;
  list.remove_if(
      [&](const CandidatePair& pair) { return pair.local.base == base && pair.id != kept; });
  if (CandidatePair* const pair = list.find(kept); pair && pair->local.base == base)
    pair->state = PairState::failed;
  if (last_authenticated && last_authenticated->local == base) last_authenticated.reset();
  if (selected && selected->path().local == base && !is_stopped()) {
    selected->make_suspect(now);
    handle_consent(now);
  }
}

void Agent::State::switch_role(Role new_role) {
  if (role == new_role) return;
  role = new_role;
  list.set_role(new_role);
  nominating.reset();
  nominate_at.reset();
}

void Agent::State::send(const Path& path, Buffer bytes) {
  transmits.push_back({path.local, path.remote, std::move(bytes)});
}

void Agent::State::settle(Instant now) {
  if (may_check()) {
    maybe_nominate(now);
    pump_checks(now);
  }
  if (nominate_at && now >= *nominate_at) nominate_at.reset();
  timeout = compute_timeout();
  route = compute_route();
}

Instant Agent::State::compute_timeout() const {
  if (is_stopped()) return never;
  Instant at = never;
  for (const Check& check : checks) at = std::min(at, check.transaction.next_timeout());
  if (may_check() && list.has_next()) at = std::min(at, next_check_at);
  if (nominate_at) at = std::min(at, *nominate_at);
  if (challenge) at = std::min(at, challenge->deadline);
  if (give_up_at) at = std::min(at, *give_up_at);
  if (selected) {
    at = std::min(at, selected->next_timeout());
    if (is_selected_now() && selected->suspect_at() && !searching_since)
      at = std::min(at, *selected->suspect_at());
  }
  return at;
}

std::optional<Path> Agent::State::compute_route() {
  if (is_stopped()) return std::nullopt;
  if (selected) return selected->path();
  if (const CandidatePair* valid = list.best_valid()) return valid->path();
  return last_authenticated;
}

Agent::Agent(Options options, Credentials local, RandomSource& random, Instant now)
    : state_(std::make_unique<State>(options, std::move(local), random, now)) {}
Agent::~Agent() = default;
Agent::Agent(Agent&&) noexcept = default;
Agent& Agent::operator=(Agent&&) noexcept = default;

void Agent::add_local_candidate(Instant now, const Candidate& candidate) {
  state_->add_local(candidate);
  state_->settle(now);
}

void Agent::remove_local_candidate(Instant now, const Endpoint& base) {
  for (State::LocalCandidate& known : state_->locals)
    if (known.candidate.base == base) known.removed = true;
  state_->leave_base(now, base);
  state_->settle(now);
}

void Agent::end_of_local_candidates(Instant now) {
  state_->local_ended = true;
  state_->settle(now);
}

void Agent::set_remote_credentials(Instant now, Credentials remote) {
  State& state = *state_;
  if (state.remote == remote) return;
  state.remote = std::move(remote);
  if (!state.is_stopped()) state.give_up_at = now + state.options.give_up_after;
  state.form_all_pairs();
  const auto early = std::exchange(state.early, {});
  for (const State::EarlyCheck& check : early) {
    const Candidate* const base = state.find_local(check.local);
    if (base && check.sender_ufrag == state.remote->ufrag)
      state.on_check(now, *base, check.remote, check.fields);
  }
  state.settle(now);
}

void Agent::add_remote_candidate(Instant now, const Candidate& candidate) {
  State& state = *state_;
  if (!is_usable(candidate)) return;
  const auto known =
      std::find_if(state.remotes.begin(), state.remotes.end(),
                   [&](const Candidate& other) { return other.address == candidate.address; });
  if (known != state.remotes.end()) {
    if (known->type != CandidateType::peer_reflexive) return;
    // Signaling says what a check had only hinted at: RFC 8838, section 11.4.
    *known = candidate;
    state.list.update_remote(candidate);
    if (state.selected && state.selected->path().remote == candidate.address)
      state.selected->path().remote_type = candidate.type;
  } else {
    const auto signalled = std::count_if(
        state.remotes.begin(), state.remotes.end(),
        [](const Candidate& other) { return other.type != CandidateType::peer_reflexive; });
    if (static_cast<std::size_t>(signalled) >= limits::candidates_max) return;
    state.remotes.push_back(candidate);
    state.form_pairs_with_remote(candidate);
  }
  state.settle(now);
}

void Agent::end_of_remote_candidates(Instant now) {
  state_->remote_ended = true;
  state_->settle(now);
}

void Agent::restart(Instant now, Credentials local, Role role) {
  State& state = *state_;
  state.previous_local = std::exchange(state.local, std::move(local));
  state.remote.reset();
  state.remotes.clear();
  state.remote_ended = false;
  for (const State::Check& check : state.checks)
    state.log.finish(check.record, now, CheckOutcome::timed_out);
  state.checks.clear();
  state.early.clear();
  state.list.clear();
  state.role = role;
  state.list.set_role(role);
  state.tie_breaker = state.random->u64();
  state.nominating.reset();
  state.nominate_at.reset();
  state.challenge.reset();
  state.searching_since.reset();
  state.give_up_at.reset();
  if (state.is_stopped()) state.selected.reset();
  if (state.selected) state.selected->forget_pair();
  state.last_authenticated.reset();
  state.disconnected = false;
  state.failed = false;
  state.settle(now);
}

void Agent::handle_stun(Instant now, const Datagram& datagram) {
  if (state_->is_stopped()) return;
  const auto message = stun::Message::parse(datagram.bytes);
  if (!message || message->method() != stun::Method::binding) return;
  // RFC 8489, sections 6.3.2 and 6.3.3; what a request holds is answered.
  if (message->message_class() != stun::Class::request && !message->unknown_required().empty())
    return;
  switch (message->message_class()) {
    case stun::Class::request:
      state_->on_request(now, datagram, *message);
      break;
    case stun::Class::success:
    case stun::Class::error:
      state_->on_response(now, datagram, *message);
      break;
    case stun::Class::indication:
      break;  // a keepalive: RFC 8445, section 11
  }
  state_->settle(now);
}

void Agent::handle_timeout(Instant now) {
  if (state_->is_stopped()) return;
  state_->handle_check_timeouts(now);
  state_->handle_consent(now);
  state_->handle_challenge(now);
  state_->handle_give_up(now);
  state_->settle(now);
}

Instant Agent::next_timeout() const {
  return state_->timeout;
}

std::optional<Transmit> Agent::poll_transmit() {
  if (state_->transmits.empty()) return std::nullopt;
  Transmit transmit = std::move(state_->transmits.front());
  state_->transmits.pop_front();
  return transmit;
}

std::optional<Agent::Event> Agent::poll_event() {
  if (state_->events.empty()) return std::nullopt;
  Event event = std::move(state_->events.front());
  state_->events.pop_front();
  return event;
}

std::optional<Path> Agent::route() const {
  return state_->route;
}

bool Agent::is_selected() const {
  return state_->selected && !state_->is_stopped();
}

bool Agent::is_authenticated(const Endpoint& local, const Endpoint& remote) const {
  const auto& route = state_->route;
  if (route && route->remote == remote && route->local == local) return true;
  return state_->authenticated.contains(local, remote);
}

bool Agent::is_answer(Bytes message) const {
  if (!stun::looks_like_stun(message)) return false;
  stun::TransactionId id;
  std::ranges::copy(message.subspan(stun::header_bytes - id.size(), id.size()), id.begin());
  if (state_->selected && state_->selected->owns(id)) return true;
  return std::any_of(state_->checks.begin(), state_->checks.end(),
                     [&](const State::Check& check) { return check.transaction.id() == id; });
}

bool Agent::is_proved(const Endpoint& local, const Endpoint& remote) const {
  const CandidatePair* const pair = state_->list.find(local, remote);
  return pair && pair->is_valid();
}

const Credentials& Agent::local_credentials() const {
  return state_->local;
}
const std::optional<Credentials>& Agent::remote_credentials() const {
  return state_->remote;
}
Role Agent::role() const {
  return state_->role;
}

std::optional<Duration> Agent::rtt() const {
  return state_->selected ? state_->selected->rtt() : std::nullopt;
}

const std::deque<CheckRecord>& Agent::log() const {
  return state_->log.records();
}

std::optional<std::string> receiver_ufrag(Bytes stun_message) {
  const auto message = stun::Message::parse(stun_message);
  if (!message || message->message_class() != stun::Class::request ||
      message->method() != stun::Method::binding)
    return std::nullopt;
  const auto text = message->text(stun::AttributeType::username);
  if (!text) return std::nullopt;
  const auto username = CheckUsername::parse(*text);
  if (!username) return std::nullopt;
  return std::string(username->receiver);
}

}  // namespace chatixia::rtc::ice
