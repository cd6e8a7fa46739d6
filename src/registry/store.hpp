#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/strong.hpp"
#include "base/time.hpp"
#include "protocol/registry_api.hpp"

namespace chatixia::registry {

// An agent as the directory keeps it.
struct AgentEntry {
  protocol::api::AgentRecord record;  // without `health`, which is a matter of the moment
  std::vector<std::string> skills;
  // The credential that this agent id belongs to, since its first registration.
  PeerId owner;
  Instant heard_at;
};

// A task as the board keeps it.
struct TaskEntry {
  protocol::api::Task task;
  // The credential that answers for the assigned agent.
  PeerId assignee;
  // When it fails if it has not ended.
  Instant expires_at = never;
};

inline constexpr std::string_view task_pending = "pending";
inline constexpr std::string_view task_assigned = "assigned";
inline constexpr std::string_view task_completed = "completed";
inline constexpr std::string_view task_failed = "failed";

inline bool has_ended(const protocol::api::Task& task) {
  return task.state == task_completed || task.state == task_failed;
}

// Where the registry's state lives.
//
// Reads are answered at once and see every change handed in before. A change becomes durable
// some time later; then its completion is called, once, possibly before the call returns, always
// on the registry's thread. An answer that says yes to a client is sent from there. A change that
// fails is undone before its completion learns of it. Pointers hold until the next change.
class Store {
 public:
  using Done = std::move_only_function<void(Result<void>)>;

  virtual ~Store() = default;

  virtual const AgentEntry* find_agent(const AgentId& id) const = 0;
  virtual std::vector<const AgentEntry*> agents() const = 0;
  virtual void put_agent(AgentEntry entry, Done done) = 0;
  virtual void erase_agent(const AgentId& id, Done done) = 0;

  virtual const TaskEntry* find_task(std::string_view id) const = 0;
  // The newest ones, oldest of them first.
  virtual std::vector<const TaskEntry*> tasks(std::size_t count_max) const = 0;
  // Pending tasks for this agent by name, or for anyone with one of the skills; oldest first.
  virtual std::vector<const TaskEntry*> claimable_tasks(const AgentId& agent,
                                                        std::span<const std::string> skills,
                                                        std::size_t count_max) const = 0;
  // Tasks that have not ended and whose time is up.
  virtual std::vector<const TaskEntry*> overdue_tasks(Instant now, std::size_t count_max) const = 0;
  // All of them or none.
  virtual void put_tasks(std::vector<TaskEntry> entries, Done done) = 0;
};

}  // namespace chatixia::registry
