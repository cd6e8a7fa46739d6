#include "rtc/ice/check_list.hpp"

#include <algorithm>

namespace chatixia::rtc::ice {
namespace {

// A packet between loopback and anywhere else never leaves the host; a relay has its own host.
bool can_reach(const Candidate& local, const Candidate& remote) {
  if (local.base.ip.is_v4() != remote.address.ip.is_v4()) return false;
  if (local.type == CandidateType::relayed) return true;
  return local.base.ip.is_loopback() == remote.address.ip.is_loopback();
}

bool same_foundation(const CandidatePair& a, const CandidatePair& b) {
  return a.local.foundation == b.local.foundation && a.remote.foundation == b.remote.foundation;
}

}  // namespace

Path CandidatePair::path() const {
  const CandidateType local_type =
      local.type == CandidateType::relayed ? CandidateType::relayed : mapped_type;
  return {local.base, remote.address, local_type, remote.type};
}

int relayed_ends(const Path& path) {
  return (path.local_type == CandidateType::relayed ? 1 : 0) +
         (path.remote_type == CandidateType::relayed ? 1 : 0);
}

int relayed_ends(const CandidatePair& pair) {
  return relayed_ends(pair.path());
}

std::uint64_t CheckList::priority_of(const Candidate& local, const Candidate& remote) const {
  return role_ == Role::controlling ? pair_priority(local.priority, remote.priority)
                                    : pair_priority(remote.priority, local.priority);
}

void CheckList::sort() {
  std::sort(pairs_.begin(), pairs_.end(), [](const auto& a, const auto& b) {
    return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
  });
}

void CheckList::set_role(Role role) {
  role_ = role;
  for (auto& pair : pairs_) pair->priority = priority_of(pair->local, pair->remote);
  sort();
}

CandidatePair* CheckList::add(const Candidate& local, const Candidate& remote) {
  if (!can_reach(local, remote)) return nullptr;
  const std::uint64_t priority = priority_of(local, remote);
  if (CandidatePair* known = find(local.base, remote.address)) {
    // A host candidate after the server-reflexive one of the same base: the better one counts.
    if (known->local.priority < local.priority) {
      known->local = local;
      known->priority = priority;
      sort();
    }
    return known;
  }
  if (!make_room(priority)) return nullptr;

  auto pair = std::make_unique<CandidatePair>();
  pair->id = next_id_++;
  pair->local = local;
  pair->remote = remote;
  pair->priority = priority;
  pair->state = foundation_is_busy(*pair) ? PairState::frozen : PairState::waiting;
  CandidatePair* const added = pair.get();
  pairs_.push_back(std::move(pair));
  sort();
  return added;
}

// The lowest pair that nothing depends on goes, unless the new one would be lower still.
bool CheckList::make_room(std::uint64_t priority) {
  if (pairs_.size() < pairs_max) return true;
  const auto lowest = std::find_if(pairs_.rbegin(), pairs_.rend(), [](const auto& pair) {
    return pair->state != PairState::succeeded && pair->state != PairState::in_progress;
  });
  if (lowest == pairs_.rend()) return false;
  if ((*lowest)->state != PairState::failed && (*lowest)->priority >= priority) return false;
  pairs_.erase(std::next(lowest).base());
  return true;
}

CandidatePair* CheckList::find(PairId id) {
  const auto found =
      std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& pair) { return pair->id == id; });
  return found == pairs_.end() ? nullptr : found->get();
}

CandidatePair* CheckList::find(const Endpoint& base, const Endpoint& remote) {
  const auto found = std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& pair) {
    return pair->local.base == base && pair->remote.address == remote;
  });
  return found == pairs_.end() ? nullptr : found->get();
}

void CheckList::remove_if(const std::function<bool(const CandidatePair&)>& condemned) {
  std::erase_if(pairs_, [&](const auto& pair) { return condemned(*pair); });
}

void CheckList::clear() {
  pairs_.clear();
  triggered_.clear();
}

void CheckList::update_remote(const Candidate& remote) {
  for (auto& pair : pairs_) {
    if (pair->remote.address != remote.address) continue;
    pair->remote = remote;
    pair->priority = priority_of(pair->local, pair->remote);
  }
  sort();
}

void CheckList::trigger(CandidatePair& pair) {
  pair.state = PairState::waiting;
  if (std::find(triggered_.begin(), triggered_.end(), pair.id) == triggered_.end())
    triggered_.push_back(pair.id);
}

bool CheckList::is_triggerable(PairId id) const {
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const auto& pair) {
    return pair->id == id && pair->state == PairState::waiting;
  });
}

CheckList::Next CheckList::next() {
  while (!triggered_.empty()) {
    const PairId id = triggered_.front();
    triggered_.pop_front();
    // It may be gone, or may have succeeded through an earlier check meanwhile.
    if (is_triggerable(id)) return {find(id), true};
  }
  for (auto& pair : pairs_)
    if (pair->state == PairState::waiting) return {pair.get(), false};
  for (auto& pair : pairs_)
    if (pair->state == PairState::frozen && !foundation_is_busy(*pair)) return {pair.get(), false};
  return {};
}

bool CheckList::has_next() const {
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const auto& pair) {
    return pair->state == PairState::waiting ||
           (pair->state == PairState::frozen && !foundation_is_busy(*pair));
  });
}

bool CheckList::foundation_is_busy(const CandidatePair& pair) const {
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const auto& other) {
    return other.get() != &pair && same_foundation(*other, pair) &&
           (other->state == PairState::waiting || other->state == PairState::in_progress);
  });
}

void CheckList::on_success(CandidatePair& pair) {
  pair.state = PairState::succeeded;
  for (auto& other : pairs_)
    if (other->state == PairState::frozen && same_foundation(*other, pair))
      other->state = PairState::waiting;
}

CandidatePair* CheckList::best_valid() {
  for (auto& pair : pairs_)
    if (pair->is_valid()) return pair.get();
  return nullptr;
}

bool CheckList::has_unfinished_above(std::uint64_t priority) const {
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const auto& pair) {
    return pair->priority > priority && pair->is_unfinished();
  });
}

}  // namespace chatixia::rtc::ice
