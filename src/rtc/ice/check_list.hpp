#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "rtc/ice/agent.hpp"
#include "rtc/ice/candidate.hpp"

namespace chatixia::rtc::ice {

// RFC 8445, section 6.1.2.5.
inline constexpr std::size_t pairs_max = 100;

using PairId = std::uint32_t;

enum class PairState { frozen, waiting, in_progress, succeeded, failed };

// A local base and a remote address between which checks are made. RFC 8445 builds a second list
// of valid pairs; here the pair that was checked becomes valid itself, because two pairs of one
// base and one remote address cannot exist.
struct CandidatePair {
  PairId id = 0;
  Candidate local;
  Candidate remote;
  std::uint64_t priority = 0;
  PairState state = PairState::frozen;
  // How the peer sees our address, as far as a check has told.
  CandidateType mapped_type = CandidateType::host;
  bool nominated = false;
  // The peer has nominated it before our own check succeeded: RFC 8445, section 7.3.1.5.
  bool nominate_when_valid = false;
  // The peer has checked it without nominating it, so a later nomination is a decision and not
  // the habit of an aggressively nominating peer.
  bool plain_check_seen = false;

  bool is_valid() const { return state == PairState::succeeded; }
  bool is_unfinished() const { return state < PairState::succeeded; }
  Path path() const;
};

// How many of its ends go through a relay: the coarse cost of a path.
int relayed_ends(const Path& path);
int relayed_ends(const CandidatePair& pair);

// The pairs of one session in order of priority, the states of RFC 8445, section 6.1.2.6, and
// the triggered-check queue. It decides what is checked next, not when.
class CheckList {
 public:
  explicit CheckList(Role role) : role_(role) {}

  // Priorities depend on the role.
  void set_role(Role role);

  // The pair of these addresses, made if need be. Null when they cannot form a pair, or when the
  // list is full of better ones.
  CandidatePair* add(const Candidate& local, const Candidate& remote);
  CandidatePair* find(PairId id);
  CandidatePair* find(const Endpoint& base, const Endpoint& remote);
  void remove_if(const std::function<bool(const CandidatePair&)>& condemned);
  void clear();

  // Signaling has told more about a remote candidate that a check had revealed.
  void update_remote(const Candidate& remote);

  void trigger(CandidatePair& pair);
  // The next pair to check: triggered ones first, then by priority, then what can be unfrozen.
  // Sets nothing in progress; a triggered pair leaves the queue.
  struct Next {
    CandidatePair* pair = nullptr;
    bool triggered = false;
  };
  Next next();
  bool has_next() const;

  // A success unfreezes the pairs of the same foundation: section 7.2.5.3.3.
  void on_success(CandidatePair& pair);

  CandidatePair* best_valid();
  // Whether a pair of a higher priority may still become valid.
  bool has_unfinished_above(std::uint64_t priority) const;

  const std::vector<std::unique_ptr<CandidatePair>>& pairs() const { return pairs_; }

 private:
  std::uint64_t priority_of(const Candidate& local, const Candidate& remote) const;
  void sort();
  bool make_room(std::uint64_t priority);
  bool foundation_is_busy(const CandidatePair& pair) const;
  bool is_triggerable(PairId id) const;

  Role role_;
  PairId next_id_ = 1;
  std::vector<std::unique_ptr<CandidatePair>> pairs_;
  std::deque<PairId> triggered_;
};

}  // namespace chatixia::rtc::ice
