#include "registry/memory_store.hpp"

#include <gtest/gtest.h>

#include "registry/errc.hpp"
#include "registry/uuid.hpp"
#include "support/registry_fixture.hpp"

namespace chatixia::registry {
namespace {

using namespace std::chrono_literals;

const Instant start = test_start().instant;

TaskEntry task(std::string id, std::string_view state = task_pending) {
  TaskEntry entry;
  entry.task.id = std::move(id);
  entry.task.skill = "sum";
  entry.task.state = state;
  entry.expires_at = start + 300s;
  return entry;
}

std::error_code put(MemoryStore& store, std::vector<TaskEntry> entries) {
  Outcome outcome;
  store.put_tasks(std::move(entries), outcome.done());
  return outcome.code();
}

std::vector<std::string> ids(const std::vector<const TaskEntry*>& entries) {
  std::vector<std::string> result;
  result.reserve(entries.size());
  for (const TaskEntry* entry : entries) result.push_back(entry->task.id);
  return result;
}

using Ids = std::vector<std::string>;
const std::vector<std::string> sum = {"sum"};

TEST(MemoryStore, RefusesAnAgentTooMany) {
  MemoryStore store({.agents_max = 1});
  const auto put_agent = [&](std::string id) {
    AgentEntry entry;
    entry.record.agent_id = std::move(id);
    Outcome outcome;
    store.put_agent(std::move(entry), outcome.done());
    return outcome.code();
  };
  EXPECT_FALSE(put_agent("a"));
  EXPECT_FALSE(put_agent("a"));
  EXPECT_EQ(put_agent("b"), Errc::full);
  store.erase_agent(AgentId("a"), [](Result<void>) {});
  EXPECT_FALSE(put_agent("b"));
}

TEST(MemoryStore, MakesRoomOnlyWithTasksThatEnded) {
  MemoryStore store({.tasks_max = 2});
  EXPECT_FALSE(put(store, {task("1"), task("2")}));
  EXPECT_EQ(put(store, {task("3")}), Errc::full);
  EXPECT_EQ(store.find_task("3"), nullptr);
  // The second ends first, so it goes first.
  EXPECT_FALSE(put(store, {task("2", task_completed)}));
  EXPECT_FALSE(put(store, {task("1", task_failed)}));
  EXPECT_FALSE(put(store, {task("3")}));
  EXPECT_EQ(ids(store.tasks(10)), (Ids{"1", "3"}));
}

TEST(MemoryStore, TakesAllOfAChangeOrNothing) {
  MemoryStore store({.tasks_max = 2});
  EXPECT_EQ(put(store, {task("1"), task("2"), task("3")}), Errc::full);
  EXPECT_TRUE(store.tasks(10).empty());
}

TEST(MemoryStore, CountsBytes) {
  TaskEntry large = task("1", task_completed);
  large.task.payload = json::Object{{"text", std::string(4000, 'x')}};
  MemoryStore store({.task_bytes_max = 5000});
  EXPECT_FALSE(put(store, {large}));
  EXPECT_FALSE(put(store, {large}));  // replaces itself
  large.task.id = "2";
  large.task.state = task_pending;
  EXPECT_FALSE(put(store, {large}));
  EXPECT_EQ(store.find_task("1"), nullptr);
  large.task.id = "3";
  EXPECT_EQ(put(store, {large}), Errc::full);
}

TEST(MemoryStore, FindsWhatAnAgentMayClaimOldestFirst) {
  MemoryStore store;
  TaskEntry targeted = task("2");
  targeted.task.target_agent_id = "bot-1";
  targeted.task.skill = "other";
  TaskEntry foreign = task("1");
  foreign.task.target_agent_id = "bot-2";
  EXPECT_FALSE(put(store, {task("3"), targeted, foreign, task("4", task_assigned)}));
  EXPECT_EQ(ids(store.claimable_tasks(AgentId("bot-1"), sum, 10)), (Ids{"2", "3"}));
  EXPECT_EQ(ids(store.claimable_tasks(AgentId("bot-1"), sum, 1)), (Ids{"2"}));
  EXPECT_EQ(ids(store.claimable_tasks(AgentId("bot-1"), {}, 10)), (Ids{"2"}));
  EXPECT_FALSE(put(store, {task("3", task_assigned)}));
  EXPECT_EQ(ids(store.claimable_tasks(AgentId("bot-1"), sum, 10)), (Ids{"2"}));
}

TEST(MemoryStore, FindsWhatIsOverdue) {
  MemoryStore store;
  EXPECT_FALSE(put(store, {task("1"), task("2", task_assigned), task("3", task_completed)}));
  EXPECT_TRUE(store.overdue_tasks(start + 299s, 10).empty());
  EXPECT_EQ(ids(store.overdue_tasks(start + 300s, 10)), (Ids{"1", "2"}));
  EXPECT_EQ(ids(store.overdue_tasks(start + 300s, 1)), (Ids{"1"}));
}

TEST(MemoryStore, ListsTheNewest) {
  MemoryStore store;
  EXPECT_FALSE(put(store, {task("1"), task("2"), task("3")}));
  EXPECT_EQ(ids(store.tasks(2)), (Ids{"2", "3"}));
}

TEST(UuidSource, MakesVersionSevenInOrder) {
  SeededRandom random(5);
  UuidSource source(random);
  const WallTime now = test_start().wall;
  std::string last = source.next(now);
  EXPECT_EQ(last.size(), 36U);
  EXPECT_EQ(last.substr(0, 14), "01a3185c-5000-");
  EXPECT_EQ(last[14], '7');
  EXPECT_NE(std::string("89ab").find(last[19]), std::string::npos);
  for (int i = 0; i < 10'000; ++i) {
    // A clock that is set back does not turn the order around.
    const std::string next = source.next(now - std::chrono::seconds(i % 3));
    ASSERT_LT(last, next);
    last = next;
  }
}

}  // namespace
}  // namespace chatixia::registry
