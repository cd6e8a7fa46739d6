#include <algorithm>

#include <fmt/format.h>

#include "rtc/ice/agent_state.hpp"

// The peer's connectivity checks: RFC 8445, section 7.3.
namespace chatixia::rtc::ice {
namespace {

constexpr std::size_t early_checks_max = 32;

// A peer behind a NAT that changes its mind gets new addresses; only so many are remembered.
constexpr std::size_t peer_reflexive_max = 16;

}  // namespace

void Agent::State::on_request(Instant now, const Datagram& datagram, const stun::Message& message) {
  const auto text = message.text(stun::AttributeType::username);
  const auto username = text ? CheckUsername::parse(*text) : std::nullopt;
  const Candidate* const base = find_local(datagram.local);
  if (!username || !base) return;
  const Path back = {datagram.local, datagram.remote};

  // Consent checks of the session before a restart keep the old path alive, and do no more.
  if (previous_local && username->receiver == previous_local->ufrag) {
    if (message.verify_integrity(as_bytes(previous_local->password)))
      send(back, encode_check_success(message.transaction_id(), datagram.remote, *previous_local));
    return;
  }
  if (username->receiver != local.ufrag) return;
  if (remote && username->sender != remote->ufrag) return;
  if (!message.verify_integrity(as_bytes(local.password))) return;

  if (const auto unknown = message.unknown_required(); !unknown.empty()) {
    send(back, encode_check_error(message.transaction_id(), 420, unknown, local));
    return;
  }
  const auto fields = read_check(message);
  if (!fields || !resolve_role_conflict(datagram, message, *fields)) return;

  send(back, encode_check_success(message.transaction_id(), datagram.remote, local));
  authenticated.add(datagram.local, datagram.remote);
  if (remote)
    on_check(now, *base, datagram.remote, *fields);
  else
    on_early_check({datagram.local, datagram.remote, std::string(username->sender), *fields});

  last_authenticated =
      Path{datagram.local, datagram.remote, base->type, CandidateType::peer_reflexive};
  for (const Candidate& known : remotes)
    if (known.address == datagram.remote) last_authenticated->remote_type = known.type;
}

// Both sides claim one role: the larger tie-breaker becomes controlling. RFC 8445, section
// 7.3.1.1. False when the check was answered with 487 and ends there.
bool Agent::State::resolve_role_conflict(const Datagram& datagram, const stun::Message& message,
                                         const CheckFields& fields) {
  const auto theirs = sender_role(message);
  if (!theirs || *theirs != role) return true;
  const bool ours_is_larger = tie_breaker >= fields.tie_breaker;
  const bool we_keep = ours_is_larger == (role == Role::controlling);
  if (we_keep) {
    send({datagram.local, datagram.remote},
         encode_check_error(message.transaction_id(), 487, {}, local));
    return false;
  }
  switch_role(role == Role::controlling ? Role::controlled : Role::controlling);
  return true;
}

void Agent::State::on_early_check(EarlyCheck check) {
  for (EarlyCheck& known : early) {
    if (known.local != check.local || known.remote != check.remote ||
        known.sender_ufrag != check.sender_ufrag)
      continue;
    check.fields.use_candidate |= known.fields.use_candidate;
    known = std::move(check);
    return;
  }
  if (early.size() < early_checks_max) early.push_back(std::move(check));
}

void Agent::State::on_check(Instant now, const Candidate& local_candidate, const Endpoint& from,
                            const CheckFields& fields) {
  const Candidate from_candidate = learn_remote(from, fields.priority);
  CandidatePair* const pair = list.add(local_candidate, from_candidate);
  if (!pair) return;
  if (!fields.use_candidate) pair->plain_check_seen = true;

  // RFC 8445, section 7.3.1.4: the peer's check tells that ours has a chance now.
  if (!pair->is_valid()) {
    cancel_checks(now, pair->id);
    list.trigger(*pair);
  }
  if (!fields.use_candidate || role != Role::controlled) return;
  if (pair->is_valid())
    on_nominated(now, *pair);
  else
    pair->nominate_when_valid = true;
}

const Candidate& Agent::State::learn_remote(const Endpoint& from, std::uint32_t priority) {
  const auto known = std::find_if(remotes.begin(), remotes.end(),
                                  [&](const Candidate& other) { return other.address == from; });
  if (known != remotes.end()) return *known;
  make_room_for_peer_reflexive();
  Candidate candidate;
  candidate.type = CandidateType::peer_reflexive;
  candidate.foundation = fmt::format("prflx{}", ++peer_reflexive_count);
  candidate.priority = priority;
  candidate.address = from;
  return remotes.emplace_back(std::move(candidate));
}

void Agent::State::make_room_for_peer_reflexive() {
  const auto is_peer_reflexive = [](const Candidate& other) {
    return other.type == CandidateType::peer_reflexive;
  };
  const auto count = std::count_if(remotes.begin(), remotes.end(), is_peer_reflexive);
  if (static_cast<std::size_t>(count) < peer_reflexive_max) return;
  const auto oldest = std::find_if(remotes.begin(), remotes.end(), [&](const Candidate& other) {
    return is_peer_reflexive(other) && !(selected && selected->path().remote == other.address);
  });
  const Endpoint address = oldest->address;
  list.remove_if([&](const CandidatePair& pair) { return pair.remote.address == address; });
  remotes.erase(oldest);
}

}  // namespace chatixia::rtc::ice
