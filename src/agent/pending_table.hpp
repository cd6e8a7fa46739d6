#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace chatixia::agent {

// What waits for an answer, by its id, each with a deadline. Bounded. Whoever takes an entry is
// the only one who does, so each is answered once, however late or often answers come.
template <class T>
class PendingTable {
 public:
  explicit PendingTable(std::size_t size_max) : size_max_(size_max) {}

  // False when the table is full or the id is waiting already.
  [[nodiscard]] bool add(const std::string& id, Instant deadline, T entry) {
    if (is_full()) return false;
    if (!entries_.try_emplace(id, Waiting{deadline, std::move(entry)}).second) return false;
    order_.emplace(deadline, id);
    return true;
  }

  T* find(const std::string& id) {
    const auto found = entries_.find(id);
    return found == entries_.end() ? nullptr : &found->second.entry;
  }

  std::optional<T> take(const std::string& id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return std::nullopt;
    order_.erase({found->second.deadline, id});
    std::optional<T> entry(std::move(found->second.entry));
    entries_.erase(found);
    return entry;
  }

  std::optional<T> take_expired(Instant now) {
    if (order_.empty() || order_.begin()->first > now) return std::nullopt;
    return take(std::string(order_.begin()->second));
  }

  // Takes every entry for which `wanted` holds.
  template <class Wanted>
  std::vector<T> take_if(Wanted wanted) {
    std::vector<T> taken;
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      if (!wanted(entry->second.entry)) {
        ++entry;
        continue;
      }
      order_.erase({entry->second.deadline, entry->first});
      taken.push_back(std::move(entry->second.entry));
      entry = entries_.erase(entry);
    }
    return taken;
  }

  std::vector<T> take_all() {
    std::vector<T> all;
    for (auto& [id, waiting] : std::exchange(entries_, {})) all.push_back(std::move(waiting.entry));
    order_.clear();
    return all;
  }

  Instant next_timeout() const { return order_.empty() ? never : order_.begin()->first; }
  bool is_full() const { return entries_.size() >= size_max_; }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Waiting {
    Instant deadline;
    T entry;
  };

  std::size_t size_max_;
  std::unordered_map<std::string, Waiting> entries_;
  std::set<std::pair<Instant, std::string>> order_;
};

}  // namespace chatixia::agent
