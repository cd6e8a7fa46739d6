#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "registry/store.hpp"

namespace chatixia::registry {

// State that lives as long as the process. Full means refused: agents are never dropped, and
// only tasks that have ended make room for new ones, the first to end first.
class MemoryStore final : public Store {
 public:
  struct Limits {
    std::size_t agents_max = 4096;
    std::size_t tasks_max = 100'000;
    // What all tasks together may take, as JSON.
    std::size_t task_bytes_max = 256 * 1024 * 1024;
  };
  MemoryStore() : MemoryStore(Limits{}) {}
  explicit MemoryStore(const Limits& limits) : limits_(limits) {}

  const AgentEntry* find_agent(const AgentId& id) const override;
  std::vector<const AgentEntry*> agents() const override;
  void put_agent(AgentEntry entry, Done done) override;
  void erase_agent(const AgentId& id, Done done) override;

  const TaskEntry* find_task(std::string_view id) const override;
  std::vector<const TaskEntry*> tasks(std::size_t count_max) const override;
  std::vector<const TaskEntry*> claimable_tasks(const AgentId& agent,
                                                std::span<const std::string> skills,
                                                std::size_t count_max) const override;
  std::vector<const TaskEntry*> overdue_tasks(Instant now, std::size_t count_max) const override;
  void put_tasks(std::vector<TaskEntry> entries, Done done) override;

 private:
  struct Slot {
    TaskEntry entry;
    std::size_t bytes = 0;
    std::size_t ended_as = 0;  // its place in ended_, zero while it has not ended
  };
  using Slots = std::map<std::string, Slot, std::less<>>;
  using Queues = std::map<std::string, std::set<std::string>, std::less<>>;

  bool make_room(std::span<const TaskEntry> entries, std::span<const std::size_t> sizes);
  void put_task(TaskEntry entry, std::size_t bytes);
  void erase_task(Slots::iterator slot);
  void index(const Slot& slot);
  void unindex(const Slot& slot);

  Limits limits_;
  std::map<AgentId, AgentEntry> agents_;
  // Ids are UUIDv7, so this is also the order of submission.
  Slots tasks_;
  std::size_t task_bytes_ = 0;
  Queues pending_by_target_;
  Queues pending_by_skill_;
  std::set<std::pair<Instant, std::string>> deadlines_;
  std::map<std::size_t, std::string> ended_;
  std::size_t ended_count_ = 0;
};

}  // namespace chatixia::registry
