#include "registry/task_board.hpp"

#include <gtest/gtest.h>

#include "registry/errc.hpp"
#include "support/registry_fixture.hpp"

namespace chatixia::registry {
namespace {

using namespace std::chrono_literals;
namespace api = protocol::api;

// A store whose changes become durable when the test says so.
class SlowStore final : public Store {
 public:
  const AgentEntry* find_agent(const AgentId& id) const override { return memory_.find_agent(id); }
  std::vector<const AgentEntry*> agents() const override { return memory_.agents(); }
  void put_agent(AgentEntry entry, Done done) override {
    memory_.put_agent(std::move(entry), std::move(done));
  }
  void erase_agent(const AgentId& id, Done done) override {
    memory_.erase_agent(id, std::move(done));
  }
  const TaskEntry* find_task(std::string_view id) const override { return memory_.find_task(id); }
  std::vector<const TaskEntry*> tasks(std::size_t count_max) const override {
    return memory_.tasks(count_max);
  }
  std::vector<const TaskEntry*> claimable_tasks(const AgentId& agent,
                                                std::span<const std::string> skills,
                                                std::size_t count_max) const override {
    return memory_.claimable_tasks(agent, skills, count_max);
  }
  std::vector<const TaskEntry*> overdue_tasks(Instant now, std::size_t count_max) const override {
    return memory_.overdue_tasks(now, count_max);
  }
  void put_tasks(std::vector<TaskEntry> entries, Done done) override {
    memory_.put_tasks(std::move(entries),
                      [this, done = std::move(done)](Result<void> stored) mutable {
                        if (!is_held) return done(std::move(stored));
                        held_.push_back(std::move(done));
                      });
  }
  void commit() {
    for (auto& done : std::exchange(held_, {})) done({});
  }
  bool is_held = false;

 private:
  MemoryStore memory_;
  std::vector<Done> held_;
};

class TaskBoardTest : public testing::Test {
 protected:
  void SetUp() override {
    add_agent("bot-1", "p1", {"sum"});
    add_agent("bot-2", "p2", {"sum", "draw"});
  }
  void add_agent(std::string id, std::string_view peer, std::vector<std::string> skills) {
    Outcome outcome;
    directory.heartbeat(now, as_agent(peer),
                        {.agent_id = std::move(id), .skill_names = std::move(skills)},
                        outcome.done());
    ASSERT_TRUE(outcome.ok());
  }
  Result<std::string> submit(api::TaskSubmission task, const Principal& principal = as_admin()) {
    std::optional<Result<std::string>> id;
    board.submit(now, principal, std::move(task), [&](Result<std::string> result) { id = result; });
    return id.value();
  }
  std::vector<std::string> claim(std::string agent, std::string_view peer) {
    std::vector<std::string> ids;
    board.claim(now, as_agent(peer), AgentId(std::move(agent)),
                [&](Result<std::vector<api::Task>> tasks) {
                  ASSERT_TRUE(tasks);
                  for (const api::Task& task : *tasks) {
                    EXPECT_EQ(task.state, "assigned");
                    ids.push_back(task.id);
                  }
                });
    return ids;
  }
  std::error_code update(const Principal& principal, std::string_view id, api::TaskUpdate change) {
    Outcome outcome;
    board.update(now, principal, id, std::move(change), outcome.done());
    return outcome.code();
  }
  api::Task task(std::string_view id) { return board.find(now, id).value(); }

  using Ids = std::vector<std::string>;
  Moment now = test_start();
  SeededRandom random{9};
  SlowStore store;
  LocalBus bus;
  Directory directory{store, bus, [](const PeerId&) { return false; }};
  TaskBoard board{store, bus, directory, random};
};

TEST_F(TaskBoardTest, GoesFromPendingToCompleted) {
  const auto id = submit({.skill = "sum", .payload = json::Object{{"a", 1}}});
  ASSERT_TRUE(id);
  EXPECT_EQ(task(*id).state, "pending");
  EXPECT_EQ(task(*id).created_at, 1'800'000'000);
  EXPECT_EQ(task(*id).ttl, 300);
  now = after(now, 500ms);
  EXPECT_EQ(claim("bot-1", "p1"), Ids{*id});
  EXPECT_EQ(task(*id).assigned_agent_id, "bot-1");
  EXPECT_EQ(task(*id).updated_at, 1'800'000'000.5);
  EXPECT_FALSE(update(as_agent("p1"), *id, {.state = "completed", .result = 3}));
  EXPECT_EQ(task(*id).state, "completed");
  EXPECT_EQ(task(*id).result, 3);
}

TEST_F(TaskBoardTest, HandsATaskOutOnce) {
  const auto id = submit({.skill = "sum"});
  EXPECT_EQ(claim("bot-1", "p1"), Ids{*id});
  EXPECT_EQ(claim("bot-1", "p1"), Ids{});
  EXPECT_EQ(claim("bot-2", "p2"), Ids{});
}

TEST_F(TaskBoardTest, HandsATaskOutOnceWhileTheStoreIsBusy) {
  const auto id = submit({.skill = "sum"});
  store.is_held = true;
  EXPECT_EQ(claim("bot-1", "p1"), Ids{});
  store.is_held = false;
  EXPECT_EQ(claim("bot-2", "p2"), Ids{});
}

TEST_F(TaskBoardTest, AnswersOnlyWhatIsStored) {
  store.is_held = true;
  std::optional<Result<std::string>> id;
  board.submit(now, as_admin(), {.skill = "sum"}, [&](Result<std::string> result) { id = result; });
  EXPECT_FALSE(id);
  store.commit();
  EXPECT_TRUE(id && id->has_value());
}

TEST_F(TaskBoardTest, GivesATargetedTaskToItsTargetAlone) {
  const auto id = submit({.skill = "sum", .target_agent_id = "bot-2"});
  EXPECT_EQ(claim("bot-1", "p1"), Ids{});
  EXPECT_EQ(claim("bot-2", "p2"), Ids{*id});
}

TEST_F(TaskBoardTest, GivesTasksInTheOrderOfSubmission) {
  const auto first = submit({.skill = "sum"});
  const auto second = submit({.skill = "draw"});
  const auto third = submit({.skill = "sum", .target_agent_id = "bot-2"});
  const auto unknown = submit({.skill = "unknown"});
  EXPECT_EQ(claim("bot-2", "p2"), (Ids{*first, *second, *third}));
  EXPECT_EQ(task(*unknown).state, "pending");
}

TEST_F(TaskBoardTest, BoundsWhatOneHeartbeatTakes) {
  for (int i = 0; i < 70; ++i) ASSERT_TRUE(submit({.skill = "sum"}));
  EXPECT_EQ(claim("bot-1", "p1").size(), 64U);
  EXPECT_EQ(claim("bot-1", "p1").size(), 6U);
}

TEST_F(TaskBoardTest, HandsOutNoMoreThanOneAnswerCarries) {
  const auto submit_large = [&](std::size_t bytes) {
    EXPECT_TRUE(submit({.skill = "sum", .payload = json::Object{{"x", std::string(bytes, 'x')}}}));
  };
  for (int i = 0; i < 10; ++i) submit_large(1'000'000);
  for (const std::size_t handed : {4U, 4U, 2U, 0U}) EXPECT_EQ(claim("bot-1", "p1").size(), handed);

  submit_large(5'000'000);  // alone, but not never
  submit_large(1);
  EXPECT_EQ(claim("bot-1", "p1").size(), 1U);
  EXPECT_EQ(claim("bot-1", "p1").size(), 1U);
}

TEST_F(TaskBoardTest, LetsNobodyElseUpdateATask) {
  const auto id = submit({.skill = "sum"});
  EXPECT_EQ(update(as_agent("p1"), *id, {.state = "completed"}), Errc::forbidden);
  EXPECT_EQ(claim("bot-1", "p1"), Ids{*id});
  EXPECT_EQ(update(as_agent("p2"), *id, {.state = "completed"}), Errc::forbidden);
  EXPECT_EQ(update({}, *id, {.state = "completed"}), Errc::forbidden);
  EXPECT_EQ(task(*id).state, "assigned");
  EXPECT_FALSE(update(as_admin(), *id, {.state = "failed", .error = "stopped"}));
  EXPECT_EQ(task(*id).error, "stopped");
}

TEST_F(TaskBoardTest, CompletesNothingTwice) {
  const auto id = submit({.skill = "sum"});
  EXPECT_EQ(claim("bot-1", "p1"), Ids{*id});
  EXPECT_FALSE(update(as_agent("p1"), *id, {.state = "assigned"}));
  EXPECT_FALSE(update(as_agent("p1"), *id, {.state = "completed", .result = 1}));
  EXPECT_FALSE(update(as_agent("p1"), *id, {.state = "completed", .result = 2}));
  EXPECT_EQ(task(*id).result, 1);
  EXPECT_EQ(update(as_agent("p1"), *id, {.state = "failed"}), Errc::conflict);
  EXPECT_EQ(update(as_admin(), *id, {.state = "assigned"}), Errc::conflict);
  EXPECT_EQ(task(*id).state, "completed");
}

TEST_F(TaskBoardTest, FailsATaskWhoseTimeIsUp) {
  const auto pending = submit({.skill = "unknown", .ttl = 10});
  const auto assigned = submit({.skill = "sum", .ttl = 10});
  EXPECT_EQ(claim("bot-1", "p1"), Ids{*assigned});
  now = after(now, 10s - 1ns);
  EXPECT_EQ(task(*pending).state, "pending");
  now = after(now, 1ns);
  for (const auto& id : {*pending, *assigned}) {
    EXPECT_EQ(task(id).state, "failed");
    EXPECT_EQ(task(id).error, "TTL expired");
  }
  EXPECT_EQ(update(as_agent("p1"), *assigned, {.state = "completed"}), Errc::conflict);
}

TEST_F(TaskBoardTest, NeverHandsOutWhatIsOverdue) {
  const auto id = submit({.skill = "sum", .ttl = 0});
  EXPECT_EQ(claim("bot-1", "p1"), Ids{});
  EXPECT_EQ(task(*id).state, "failed");
}

TEST_F(TaskBoardTest, RefusesWhatIsNoTask) {
  EXPECT_EQ(submit({.ttl = -1}).error().code, Errc::invalid);
  EXPECT_EQ(submit({.ttl = 1e9}).error().code, Errc::invalid);
  EXPECT_EQ(submit({.skill = "a\nb"}).error().code, Errc::invalid);
  EXPECT_FALSE(board.find(now, "unknown"));
  EXPECT_EQ(update(as_admin(), "unknown", {.state = "completed"}), Errc::not_found);
}

TEST_F(TaskBoardTest, LetsNoAgentSubmitInTheNameOfAnother) {
  EXPECT_EQ(submit({.source_agent_id = "bot-2"}, as_agent("p1")).error().code, Errc::forbidden);
  EXPECT_TRUE(submit({.source_agent_id = "bot-1"}, as_agent("p1")));
  EXPECT_TRUE(submit({.source_agent_id = "bot-1"}, {}));
}

TEST_F(TaskBoardTest, HandsTasksOnlyToWhoSpeaksForTheAgent) {
  std::error_code code;
  board.claim(now, as_agent("p2"), AgentId("bot-1"),
              [&](Result<std::vector<api::Task>> tasks) { code = tasks.error().code; });
  EXPECT_EQ(code, Errc::forbidden);
}

TEST_F(TaskBoardTest, ListsTheNewestOldestFirst) {
  const auto first = submit({});
  const auto second = submit({});
  const auto third = submit({});
  const auto listed = board.list(now, 2);
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0]->task.id, *second);
  EXPECT_EQ(listed[1]->task.id, *third);
}

}  // namespace
}  // namespace chatixia::registry
