#pragma once

#include <algorithm>
#include <set>
#include <utility>

#include "base/time.hpp"
#include "mesh/link.hpp"

namespace chatixia::mesh {

// The deadlines of all links, earliest first. Most inputs leave a link's deadline where it was,
// which costs one comparison.
class Deadlines {
 public:
  void set(Link& link, Instant deadline) {
    if (deadline == link.deadline) return;
    remove(link);
    link.deadline = deadline;
    if (deadline != never) entries_.emplace(deadline, &link);
  }
  void remove(Link& link) {
    if (link.deadline != never) entries_.erase({link.deadline, &link});
    link.deadline = never;
  }
  Instant earliest() const { return entries_.empty() ? never : entries_.begin()->first; }
  // A link whose deadline has come, or nothing.
  Link* due(Instant now) const { return earliest() <= now ? entries_.begin()->second : nullptr; }

 private:
  // Ordered by name among equal times, so that a run with one seed repeats exactly.
  struct Earlier {
    bool operator()(const std::pair<Instant, Link*>& a, const std::pair<Instant, Link*>& b) const {
      return a.first != b.first ? a.first < b.first : a.second->peer < b.second->peer;
    }
  };
  std::set<std::pair<Instant, Link*>, Earlier> entries_;
};

}  // namespace chatixia::mesh
