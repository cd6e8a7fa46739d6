#include "registry/memory_store.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "json/json.hpp"
#include "registry/errc.hpp"

namespace chatixia::registry {
namespace {

void erase_from(std::map<std::string, std::set<std::string>, std::less<>>& queues,
                const std::string& name, const std::string& id) {
  const auto queue = queues.find(name);
  if (queue == queues.end()) return;
  queue->second.erase(id);
  if (queue->second.empty()) queues.erase(queue);
}

}  // namespace

const AgentEntry* MemoryStore::find_agent(const AgentId& id) const {
  const auto found = agents_.find(id);
  return found == agents_.end() ? nullptr : &found->second;
}

std::vector<const AgentEntry*> MemoryStore::agents() const {
  std::vector<const AgentEntry*> all;
  all.reserve(agents_.size());
  for (const auto& [id, entry] : agents_) all.push_back(&entry);
  return all;
}

void MemoryStore::put_agent(AgentEntry entry, Done done) {
  AgentId id(entry.record.agent_id);
  if (!agents_.contains(id) && agents_.size() >= limits_.agents_max)
    return done(fail(Errc::full, "too many agents"));
  agents_.insert_or_assign(std::move(id), std::move(entry));
  done({});
}

void MemoryStore::erase_agent(const AgentId& id, Done done) {
  agents_.erase(id);
  done({});
}

const TaskEntry* MemoryStore::find_task(std::string_view id) const {
  const auto found = tasks_.find(id);
  return found == tasks_.end() ? nullptr : &found->second.entry;
}

std::vector<const TaskEntry*> MemoryStore::tasks(std::size_t count_max) const {
  std::vector<const TaskEntry*> newest;
  for (auto slot = tasks_.rbegin(); slot != tasks_.rend() && newest.size() < count_max; ++slot)
    newest.push_back(&slot->second.entry);
  std::ranges::reverse(newest);
  return newest;
}

std::vector<const TaskEntry*> MemoryStore::claimable_tasks(const AgentId& agent,
                                                           std::span<const std::string> skills,
                                                           std::size_t count_max) const {
  std::set<std::string_view> ids;
  const auto collect = [&](const Queues& queues, std::string_view name) {
    const auto queue = queues.find(name);
    if (queue == queues.end()) return;
    std::size_t taken = 0;
    for (auto id = queue->second.begin(); id != queue->second.end() && taken < count_max;
         ++id, ++taken)
      ids.insert(*id);
  };
  collect(pending_by_target_, agent.value());
  for (const std::string& skill : skills) collect(pending_by_skill_, skill);

  std::vector<const TaskEntry*> oldest;
  for (const std::string_view id : ids) {
    if (oldest.size() == count_max) break;
    oldest.push_back(find_task(id));
  }
  return oldest;
}

std::vector<const TaskEntry*> MemoryStore::overdue_tasks(Instant now, std::size_t count_max) const {
  std::vector<const TaskEntry*> overdue;
  for (const auto& [deadline, id] : deadlines_) {
    if (deadline > now || overdue.size() == count_max) break;
    overdue.push_back(find_task(id));
  }
  return overdue;
}

void MemoryStore::put_tasks(std::vector<TaskEntry> entries, Done done) {
  std::vector<std::size_t> sizes;
  sizes.reserve(entries.size());
  for (const TaskEntry& entry : entries) sizes.push_back(json::encode(entry.task.to_json()).size());
  if (!make_room(entries, sizes)) return done(fail(Errc::full, "too many tasks"));
  for (std::size_t i = 0; i < entries.size(); ++i) put_task(std::move(entries[i]), sizes[i]);
  done({});
}

bool MemoryStore::make_room(std::span<const TaskEntry> entries,
                            std::span<const std::size_t> sizes) {
  std::size_t count_after = tasks_.size();
  std::size_t bytes_after = task_bytes_;
  std::set<std::string_view> kept;  // what this change itself touches is no room to make
  for (std::size_t i = 0; i < entries.size(); ++i) {
    kept.insert(entries[i].task.id);
    bytes_after += sizes[i];
    if (const auto old = tasks_.find(entries[i].task.id); old != tasks_.end())
      bytes_after -= old->second.bytes;
    else
      ++count_after;
  }

  std::vector<std::string_view> victims;
  for (const auto& [order, id] : ended_) {
    if (count_after <= limits_.tasks_max && bytes_after <= limits_.task_bytes_max) break;
    if (kept.contains(id)) continue;
    victims.push_back(id);
    --count_after;
    bytes_after -= tasks_.find(id)->second.bytes;
  }
  if (count_after > limits_.tasks_max || bytes_after > limits_.task_bytes_max) return false;
  for (const std::string_view id : victims) erase_task(tasks_.find(id));
  return true;
}

void MemoryStore::put_task(TaskEntry entry, std::size_t bytes) {
  const auto [slot, is_new] = tasks_.try_emplace(entry.task.id);
  if (!is_new) unindex(slot->second);
  task_bytes_ += bytes - slot->second.bytes;
  slot->second.entry = std::move(entry);
  slot->second.bytes = bytes;
  if (has_ended(slot->second.entry.task) && slot->second.ended_as == 0)
    slot->second.ended_as = ++ended_count_;
  index(slot->second);
}

void MemoryStore::erase_task(Slots::iterator slot) {
  expects(slot != tasks_.end());
  unindex(slot->second);
  task_bytes_ -= slot->second.bytes;
  tasks_.erase(slot);
}

void MemoryStore::index(const Slot& slot) {
  const auto& task = slot.entry.task;
  if (has_ended(task)) {
    ended_.emplace(slot.ended_as, task.id);
    return;
  }
  deadlines_.emplace(slot.entry.expires_at, task.id);
  if (task.state != task_pending) return;
  if (!task.target_agent_id.empty())
    pending_by_target_[task.target_agent_id].insert(task.id);
  else if (!task.skill.empty())
    pending_by_skill_[task.skill].insert(task.id);
}

void MemoryStore::unindex(const Slot& slot) {
  const auto& task = slot.entry.task;
  ended_.erase(slot.ended_as);
  deadlines_.erase({slot.entry.expires_at, task.id});
  erase_from(pending_by_target_, task.target_agent_id, task.id);
  erase_from(pending_by_skill_, task.skill, task.id);
}

}  // namespace chatixia::registry
