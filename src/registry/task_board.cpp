#include "registry/task_board.hpp"

#include <utility>

#include <fmt/format.h>

#include "json/json.hpp"
#include "registry/api_keys.hpp"
#include "registry/errc.hpp"

namespace chatixia::registry {
namespace {

namespace api = protocol::api;

// An update that says what is already so, or a step forward, or neither.
enum class Step { repeats, advances, contradicts };

Step step(std::string_view from, std::string_view to) {
  if (from == to) return Step::repeats;
  const bool ends = to == task_completed || to == task_failed;
  if (from == task_pending) return ends || to == task_assigned ? Step::advances : Step::contradicts;
  if (from == task_assigned && ends) return Step::advances;
  return Step::contradicts;
}

}  // namespace

TaskBoard::TaskBoard(Store& store, Bus& bus, Directory& directory, RandomSource& random,
                     const Options& options)
    : store_(store), bus_(bus), directory_(directory), ids_(random), options_(options) {}

void TaskBoard::submit(const Moment& now, const Principal& principal,
                       api::TaskSubmission submission, Submitted done) {
  expire(now);
  auto entry = make_entry(now, principal, std::move(submission));
  if (!entry) return done(std::unexpected(entry.error()));
  api::Task task = entry->task;
  std::vector<TaskEntry> entries;
  entries.push_back(*std::move(entry));
  store_.put_tasks(std::move(entries), [this, task = std::move(task),
                                        done = std::move(done)](Result<void> stored) mutable {
    if (!stored) return done(std::unexpected(stored.error()));
    publish(event_type::task_submitted, task);
    done(task.id);
  });
}

Result<TaskEntry> TaskBoard::make_entry(const Moment& now, const Principal& principal,
                                        api::TaskSubmission submission) {
  const std::chrono::duration<double> ttl(submission.ttl);
  if (!(ttl.count() >= 0) || ttl > options_.ttl_max)
    return fail(Errc::invalid, fmt::format("ttl must be 0 to {} seconds",
                                           options_.ttl_max / std::chrono::seconds(1)));
  for (const std::string* id :
       {&submission.skill, &submission.target_agent_id, &submission.source_agent_id})
    if (!id->empty() && !is_valid_id(*id))
      return fail(Errc::invalid, "skill and agent ids must not hold control characters");
  // Nobody submits in the name of an agent that belongs to someone else.
  const AgentId source(submission.source_agent_id);
  const bool is_agent = principal.role == Role::agent;
  if (is_agent && directory_.entry(source) != nullptr && !directory_.speaks_for(principal, source))
    return fail(Errc::forbidden, "source_agent_id belongs to another credential");

  TaskEntry entry;
  entry.task = {.id = ids_.next(now.wall),
                .skill = std::move(submission.skill),
                .target_agent_id = std::move(submission.target_agent_id),
                .source_agent_id = std::move(submission.source_agent_id),
                .payload = std::move(submission.payload),
                .state = std::string(task_pending),
                .created_at = epoch_seconds(now.wall),
                .updated_at = epoch_seconds(now.wall),
                .ttl = submission.ttl};
  if (entry.task.payload.is_null()) entry.task.payload = json::Object{};
  entry.expires_at = now.instant + std::chrono::duration_cast<Duration>(ttl);
  return entry;
}

void TaskBoard::claim(const Moment& now, const Principal& principal, const AgentId& agent,
                      Claimed done) {
  expire(now);
  if (!directory_.speaks_for(principal, agent)) return done(fail(Errc::forbidden));
  const AgentEntry* claimant = directory_.entry(agent);
  if (claimant == nullptr) return done(fail(Errc::not_found));

  std::vector<TaskEntry> entries;
  std::vector<api::Task> tasks;
  std::size_t bytes = 0;
  for (const TaskEntry* found :
       store_.claimable_tasks(agent, claimant->skills, options_.claim_tasks_max)) {
    // An answer that the agent cannot read would leave its tasks assigned to nobody.
    bytes += json::encode(found->task.to_json()).size();
    if (!entries.empty() && bytes > options_.claim_bytes_max) break;
    TaskEntry& entry = entries.emplace_back(*found);
    entry.assignee = claimant->owner;
    entry.task.state = task_assigned;
    entry.task.assigned_agent_id = agent.value();
    entry.task.updated_at = epoch_seconds(now.wall);
    tasks.push_back(entry.task);
  }
  if (entries.empty()) return done(std::vector<api::Task>{});
  directory_.note_turn(agent);
  store_.put_tasks(std::move(entries), [this, tasks = std::move(tasks),
                                        done = std::move(done)](Result<void> stored) mutable {
    if (!stored) return done(std::unexpected(stored.error()));
    for (const api::Task& task : tasks) publish(event_type::task_changed, task);
    done(std::move(tasks));
  });
}

void TaskBoard::update(const Moment& now, const Principal& principal, std::string_view id,
                       api::TaskUpdate update, Done done) {
  expire(now);
  const TaskEntry* known = store_.find_task(id);
  if (known == nullptr) return done(fail(Errc::not_found));
  const bool is_assignee = known->task.state != task_pending && !principal.is_anonymous() &&
                           known->assignee == principal.peer;
  if (!is_assignee && !principal.is_admin())
    return done(fail(Errc::forbidden, "the task was not handed to this credential"));

  switch (step(known->task.state, update.state)) {
    case Step::repeats:
      return done({});
    case Step::contradicts:
      return done(fail(Errc::conflict, fmt::format("the task is {} and cannot become {}",
                                                   known->task.state, update.state)));
    case Step::advances:
      break;
  }
  TaskEntry entry = *known;
  entry.task.state = std::move(update.state);
  entry.task.result = std::move(update.result);
  entry.task.error = std::move(update.error);
  entry.task.updated_at = epoch_seconds(now.wall);
  api::Task task = entry.task;
  std::vector<TaskEntry> entries;
  entries.push_back(std::move(entry));
  store_.put_tasks(std::move(entries), [this, task = std::move(task),
                                        done = std::move(done)](Result<void> stored) mutable {
    if (stored) publish(event_type::task_changed, task);
    done(std::move(stored));
  });
}

std::optional<api::Task> TaskBoard::find(const Moment& now, std::string_view id) {
  expire(now);
  const TaskEntry* entry = store_.find_task(id);
  if (entry == nullptr) return std::nullopt;
  return entry->task;
}

std::vector<const TaskEntry*> TaskBoard::list(const Moment& now, std::size_t count_max) {
  expire(now);
  return store_.tasks(count_max);
}

void TaskBoard::expire(const Moment& now) {
  // Bounds one change; claimable and found tasks past it are overdue a moment longer.
  constexpr std::size_t batch_max = 1024;
  std::vector<TaskEntry> entries;
  std::vector<api::Task> tasks;
  for (const TaskEntry* overdue : store_.overdue_tasks(now.instant, batch_max)) {
    TaskEntry& entry = entries.emplace_back(*overdue);
    entry.task.state = task_failed;
    entry.task.error = "TTL expired";
    entry.task.updated_at = epoch_seconds(now.wall);
    tasks.push_back(entry.task);
  }
  if (entries.empty()) return;
  store_.put_tasks(std::move(entries), [this, tasks = std::move(tasks)](Result<void> stored) {
    if (!stored) return;
    for (const api::Task& task : tasks) publish(event_type::task_changed, task);
  });
}

void TaskBoard::publish(std::string_view type, const api::Task& task) {
  bus_.publish({type, task.id, {{"state", task.state}}});
}

}  // namespace chatixia::registry
