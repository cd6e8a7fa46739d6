#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "protocol/registry_api.hpp"
#include "registry/bus.hpp"
#include "registry/directory.hpp"
#include "registry/moment.hpp"
#include "registry/principal.hpp"
#include "registry/store.hpp"
#include "registry/uuid.hpp"

namespace chatixia::registry {

// The queue of tasks that did not go from peer to peer. A task is handed to one agent once, ends
// once, and never changes after that.
class TaskBoard {
 public:
  struct Options {
    // What one heartbeat may take with it.
    std::size_t claim_tasks_max = 64;
    // One task may be larger. Well below what clients read as one answer.
    std::size_t claim_bytes_max = 4 * 1024 * 1024;
    Duration ttl_max = std::chrono::hours(24 * 7);
  };
  using Done = Store::Done;
  using Submitted = std::move_only_function<void(Result<std::string>)>;
  using Claimed = std::move_only_function<void(Result<std::vector<protocol::api::Task>>)>;

  TaskBoard(Store& store, Bus& bus, Directory& directory, RandomSource& random)
      : TaskBoard(store, bus, directory, random, {}) {}
  TaskBoard(Store& store, Bus& bus, Directory& directory, RandomSource& random,
            const Options& options);

  // Answers with the task's id.
  void submit(const Moment& now, const Principal& principal,
              protocol::api::TaskSubmission submission, Submitted done);
  // Assigns pending tasks to a registered agent for which the principal speaks.
  void claim(const Moment& now, const Principal& principal, const AgentId& agent, Claimed done);
  // Only the credential to which the task was handed, or an admin. Saying again what is already
  // so is fine; contradicting it is Errc::conflict.
  void update(const Moment& now, const Principal& principal, std::string_view id,
              protocol::api::TaskUpdate update, Done done);

  std::optional<protocol::api::Task> find(const Moment& now, std::string_view id);
  // The newest ones, oldest of them first; the pointers hold until the next change.
  std::vector<const TaskEntry*> list(const Moment& now, std::size_t count_max);

  // Fails what is overdue; every call above does so first.
  void expire(const Moment& now);

 private:
  Result<TaskEntry> make_entry(const Moment& now, const Principal& principal,
                               protocol::api::TaskSubmission submission);
  void publish(std::string_view type, const protocol::api::Task& task);

  Store& store_;
  Bus& bus_;
  Directory& directory_;
  UuidSource ids_;
  Options options_;
};

}  // namespace chatixia::registry
