#include "agent/queue_worker.hpp"

#include <latch>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_registry.hpp"
#include "support/test_loop.hpp"

namespace chatixia::agent {
namespace {

using namespace std::chrono_literals;
using test::FakeRegistry;
using testing::ElementsAre;

constexpr const char* registration = "POST /api/registry/agents";
constexpr const char* heartbeat = "POST /api/hub/heartbeat";

std::string outcome_of(const std::string& task) {
  return "POST /api/hub/tasks/" + task;
}

// A worker whose heart beats once unless a test wants more, and a registry that hands out each
// task once.
class QueueWorkerTest : public testing::Test {
 protected:
  QueueWorkerTest() {
    add("echo",
        [](const json::Object& args, SkillContext&) -> Result<json::Value> { return args; });
    add("block", [this](const json::Object&, SkillContext&) -> Result<json::Value> {
      ++begun;
      go.wait();
      return "unblocked";
    });
    registry.answer([this](const net::HttpRequest& request) { return answer(request); });
  }
  void TearDown() override {
    open_gate();
    skills.join();
  }

  void add(const std::string& name, SkillFunction function) {
    skills.add({.name = name, .description = "", .function = std::move(function)});
  }
  void open_gate() {
    if (!std::exchange(is_open, true)) go.count_down();
  }
  net::HttpResponse answer(const net::HttpRequest& request) {
    const std::string what = request.method + " " + request.path;
    if (const auto status = statuses.find(what); status != statuses.end() && status->second != 200)
      return FakeRegistry::say(R"({"message":"no"})", status->second);
    if (what != heartbeat) return FakeRegistry::say(R"({"status":"ok"})");
    return FakeRegistry::say(R"({"status":"ok","pending_tasks":[)" +
                             std::exchange(tasks, std::string()) + "]}");
  }
  // Has the next heartbeat bring a task.
  void offer(const std::string& id, const std::string& skill, const std::string& more = "") {
    if (!tasks.empty()) tasks += ",";
    tasks += R"({"id":")" + id + R"(","skill":")" + skill + "\"" + more + "}";
  }
  QueueWorker::Options options() const {
    return {.self = AgentId("alice"),
            .hostname = "here",
            .heartbeat_interval = 1h,
            .retry_after = 5ms,
            .look_for_room = 5ms};
  }
  void start(QueueWorker::Options given) {
    worker.emplace(loop, std::move(given), registry_client, skills, [this](Result<void> done) {
      registrations.push_back(done ? "ok" : std::string(protocol_code(done.error())));
    });
    worker->start();
  }
  void start() { start(options()); }
  void run_until_count(const std::string& what, int count) {
    ASSERT_TRUE(loop.run_until([&] { return registry.count(what) >= count; })) << what;
  }
  void run_until_idle() {
    ASSERT_TRUE(loop.run_until([&] { return worker->is_idle(); }));
  }
  // The state that was handed in for a task, with its result or error.
  std::string outcome(const std::string& task) {
    const json::Object body = registry.body(outcome_of(task));
    if (body.empty()) return "";
    std::string text(body.at("state").as_string());
    if (body.contains("result")) text += " " + json::encode(body.at("result"));
    if (body.contains("error")) text += " " + std::string(body.at("error").as_string());
    return text;
  }

  test::TestLoop loop;
  FakeRegistry registry{loop};
  std::map<std::string, int> statuses;  // what is refused, and how
  std::string tasks;
  std::latch go{1};
  bool is_open = false;
  std::atomic<int> begun = 0;
  std::vector<std::string> registrations;
  RegistryClient registry_client{loop, {.url = registry.url(), .api_key = "k"}};
  SkillRunner skills{loop, {.workers = 2, .calls_max = 4}};
  std::optional<QueueWorker> worker;
};

TEST_F(QueueWorkerTest, RegistersAndBeats) {
  start();
  ASSERT_TRUE(loop.run_until([&] { return !registrations.empty() && worker->is_idle(); }));
  const auto said = registry.body(registration);
  EXPECT_EQ(said.at("agent_id"), "alice");
  EXPECT_EQ(said.at("hostname"), "here");
  EXPECT_EQ(said.at("sidecar_peer_id"), "");
  EXPECT_EQ(json::encode(said.at("capabilities").at("skills")), R"(["block","echo"])");
  const auto beat = registry.body(heartbeat);
  EXPECT_EQ(beat.at("skills_count"), 2);
  EXPECT_FALSE(beat.contains("sidecar_peer_id"));
  EXPECT_THAT(registrations, ElementsAre("ok"));
  EXPECT_EQ(registry.count(registration), 1);
}

TEST_F(QueueWorkerTest, BeatsAgainAndAgain) {
  auto often = options();
  often.heartbeat_interval = 2ms;
  start(often);
  run_until_count(heartbeat, 4);
  EXPECT_EQ(registry.count(registration), 1);
}

TEST_F(QueueWorkerTest, TellsItsPeerIdWhenThatIsNews) {
  start();
  ASSERT_TRUE(loop.run_until([&] { return registrations.size() == 1; }));
  worker->set_peer_id(PeerId("alice-sidecar"));
  worker->set_peer_id(PeerId("alice-sidecar"));
  ASSERT_TRUE(loop.run_until([&] { return registrations.size() == 2; }));
  EXPECT_EQ(registry.body(registration).at("sidecar_peer_id"), "alice-sidecar");
  EXPECT_EQ(registry.count(registration), 2);
}

// The registry keeps what it was told last, so an older registration must not come after it.
TEST_F(QueueWorkerTest, RegistrationsDoNotOvertakeEachOther) {
  registry.hold();
  start();
  ASSERT_TRUE(loop.run_until([&] { return registry.held() == 2; }));
  worker->set_peer_id(PeerId("one"));
  worker->set_peer_id(PeerId("two"));
  loop.run_for(5ms);
  EXPECT_EQ(registry.count(registration), 1);
  registry.release();
  ASSERT_TRUE(loop.run_until([&] { return !registrations.empty(); }));
  EXPECT_EQ(registry.body(registration).at("sidecar_peer_id"), "two");
  EXPECT_EQ(registry.count(registration), 2);
  EXPECT_THAT(registrations, ElementsAre("ok")) << "only the last one says how it stands";
}

TEST_F(QueueWorkerTest, WhatTheRegistryMayHaveForgottenIsSaidAgainAtOnce) {
  start();
  ASSERT_TRUE(loop.run_until([&] { return registrations.size() == 1; }));
  worker->register_again();
  ASSERT_TRUE(loop.run_until([&] { return registrations.size() == 2; }));
}

TEST_F(QueueWorkerTest, ARegistryThatDoesNotKnowTheAgentIsToldAtOnce) {
  statuses[heartbeat] = 404;
  start();
  run_until_count(registration, 2);
  statuses[heartbeat] = 200;
  offer("t1", "echo");
  run_until_count(outcome_of("t1"), 1);
  EXPECT_EQ(outcome("t1"), "completed {}");
}

TEST_F(QueueWorkerTest, AWrongKeyIsReportedAndTriedAgain) {
  statuses[registration] = 401;
  statuses[heartbeat] = 401;
  start();
  ASSERT_TRUE(loop.run_until([&] { return !registrations.empty(); }));
  EXPECT_EQ(registrations[0], "unauthorized");
  run_until_count(heartbeat, 3);
  statuses.clear();
  ASSERT_TRUE(loop.run_until([&] { return registrations.back() == "ok"; }));
}

TEST_F(QueueWorkerTest, ARegistrationThatFailedAloneIsTriedAgain) {
  statuses[registration] = 500;
  start();
  ASSERT_TRUE(loop.run_until([&] { return registrations.size() >= 2; }));
  statuses.clear();
  ASSERT_TRUE(loop.run_until([&] { return registrations.back() == "ok"; }));
}

TEST_F(QueueWorkerTest, ARegistryThatWasAwayHearsEverythingAgain) {
  auto often = options();
  often.heartbeat_interval = 2ms;
  start(often);
  run_until_count(heartbeat, 2);
  EXPECT_EQ(registry.count(registration), 1);
  for (const int status : {503, 500}) {
    const int before = registry.count(registration);
    const int beats = registry.count(heartbeat);
    statuses[heartbeat] = status;
    run_until_count(heartbeat, beats + 3);
    statuses.clear();
    run_until_count(registration, before + 1);
  }
}

TEST_F(QueueWorkerTest, AHeartbeatAnsweredWithGarbageIsTriedAgain) {
  registry.answer([](const auto&) { return FakeRegistry::say("<html>hello</html>"); });
  start();
  run_until_count(heartbeat, 3);
  registry.answer([this](const net::HttpRequest& request) { return answer(request); });
  offer("t1", "echo");
  run_until_count(outcome_of("t1"), 1);
}

TEST_F(QueueWorkerTest, RunsATaskAndHandsInItsResult) {
  add("who", [](const json::Object& args, SkillContext& context) -> Result<json::Value> {
    EXPECT_EQ(context.caller(), PeerId());
    EXPECT_TRUE(context.emit("to nobody"));
    return json::Array{context.caller_agent(), args.at("n")};
  });
  offer("t1", "who", R"(,"source_agent_id":"bob","payload":{"n":1})");
  start();
  run_until_count(outcome_of("t1"), 1);
  EXPECT_EQ(outcome("t1"), R"(completed ["bob",1])");
  run_until_idle();
}

TEST_F(QueueWorkerTest, WhatFailsIsHandedInWithItsReason) {
  add("refuse", [](const json::Object&, SkillContext&) -> Result<json::Value> {
    return fail(Errc::forbidden, "not for you");
  });
  offer("t1", "refuse");
  offer("t2", "fly");
  offer("t3", "block", R"(,"ttl":0.005)");
  start();
  for (const char* const task : {"t1", "t2", "t3"}) run_until_count(outcome_of(task), 1);
  EXPECT_EQ(outcome("t1"), "failed forbidden: not for you");
  EXPECT_EQ(outcome("t2"), "failed unknown_skill: no skill \"fly\"");
  EXPECT_THAT(outcome("t3"), testing::StartsWith("failed deadline_exceeded"));
}

TEST_F(QueueWorkerTest, ATaskThatComesAgainWhileItRunsIsOneTask) {
  auto often = options();
  often.heartbeat_interval = 2ms;
  offer("t1", "block");
  start(often);
  ASSERT_TRUE(loop.run_until([&] { return begun == 1; }));
  offer("t1", "block");
  run_until_count(heartbeat, registry.count(heartbeat) + 3);
  open_gate();
  run_until_idle();
  EXPECT_EQ(begun, 1);
  EXPECT_EQ(registry.count(outcome_of("t1")), 1);
}

TEST_F(QueueWorkerTest, MoreTasksThanMayRunWaitForTheirTurn) {
  auto narrow = options();
  narrow.running_max = 1;
  for (const char* const task : {"t1", "t2", "t3"}) offer(task, "block");
  start(narrow);
  ASSERT_TRUE(loop.run_until([&] { return begun == 1; }));
  loop.run_for(5ms);
  EXPECT_EQ(begun, 1);
  open_gate();
  run_until_idle();
  for (const char* const task : {"t1", "t2", "t3"})
    EXPECT_EQ(outcome(task), "completed \"unblocked\"") << task;
}

TEST_F(QueueWorkerTest, ATaskWaitsWhilePeersHaveAllTheRoom) {
  int answered = 0;
  for (int i = 0; i < 4; ++i)
    skills.run({.skill = "block", .args = {}}, [&](const auto&) { ++answered; });
  ASSERT_FALSE(skills.has_room());
  offer("t1", "echo");
  start();
  run_until_count(heartbeat, 1);
  loop.run_for(10ms);
  EXPECT_EQ(outcome("t1"), "");
  open_gate();
  run_until_count(outcome_of("t1"), 1);
  EXPECT_EQ(outcome("t1"), "completed {}");
  EXPECT_EQ(answered, 4);
}

TEST_F(QueueWorkerTest, TasksBeyondTheBacklogAreRefused) {
  auto small = options();
  small.running_max = 0;
  small.backlog_max = 1;
  offer("t1", "echo");
  offer("t2", "echo");
  start(small);
  run_until_count(outcome_of("t2"), 1);
  EXPECT_EQ(outcome("t2"), "failed too_many_requests: the agent is busy");
  EXPECT_EQ(outcome("t1"), "");
}

TEST_F(QueueWorkerTest, AResultIsHandedInAgainUntilItIsTaken) {
  for (const int status : {503, 500, 429}) {
    const std::string task = "t" + std::to_string(status);
    statuses[outcome_of(task)] = status;
    offer(task, "echo");
    worker.reset();
    start();
    run_until_count(outcome_of(task), 2);
    EXPECT_FALSE(worker->is_idle());
    statuses.clear();
    run_until_idle();
    EXPECT_EQ(outcome(task), "completed {}");
  }
}

TEST_F(QueueWorkerTest, AResultThatIsNeverTakenIsGivenUp) {
  auto patient = options();
  patient.result_tries = 3;
  statuses[outcome_of("t1")] = 503;
  offer("t1", "echo");
  start(patient);
  run_until_count(outcome_of("t1"), 3);
  run_until_idle();
  EXPECT_EQ(registry.count(outcome_of("t1")), 3);
}

TEST_F(QueueWorkerTest, ARefusedResultIsNotSaidAgain) {
  for (const int status : {400, 403, 409}) {
    const std::string task = "t" + std::to_string(status);
    statuses[outcome_of(task)] = status;
    offer(task, "echo");
    worker.reset();
    start();
    run_until_count(outcome_of(task), 1);
    run_until_idle();
    EXPECT_EQ(registry.count(outcome_of(task)), 1);
  }
}

TEST_F(QueueWorkerTest, ARegistryThatForgotATaskIsToldWhoWeAre) {
  statuses[outcome_of("t1")] = 404;
  offer("t1", "echo");
  start();
  run_until_count(registration, 2);
  run_until_idle();
  EXPECT_EQ(registry.count(outcome_of("t1")), 1);
}

TEST_F(QueueWorkerTest, StoppingTellsTheRegistryOfEveryTask) {
  auto narrow = options();
  narrow.running_max = 1;
  offer("t1", "block");
  offer("t2", "block");
  start(narrow);
  ASSERT_TRUE(loop.run_until([&] { return begun == 1; }));
  worker->stop();
  skills.cancel_all();
  EXPECT_FALSE(worker->is_idle());
  run_until_idle();
  for (const char* const task : {"t1", "t2"})
    EXPECT_EQ(outcome(task), "failed unavailable: The agent is stopping.") << task;
}

TEST_F(QueueWorkerTest, AResultThatWaitedIsHandedInWhenItStops) {
  auto slow = options();
  slow.retry_after = 1h;
  statuses[outcome_of("t1")] = 503;
  offer("t1", "echo");
  start(slow);
  run_until_count(outcome_of("t1"), 1);
  loop.run_for(2ms);
  statuses.clear();
  worker->stop();
  run_until_idle();
  EXPECT_EQ(registry.count(outcome_of("t1")), 2);
}

TEST_F(QueueWorkerTest, ATaskThatComesAfterTheEndIsRefused) {
  start();
  run_until_idle();
  registry.hold();
  offer("t1", "echo");
  worker.reset();
  start();
  ASSERT_TRUE(loop.run_until([&] { return registry.held() == 2; }));
  worker->stop();
  registry.release();
  run_until_idle();
  EXPECT_EQ(outcome("t1"), "failed unavailable: The agent is stopping.");
  const int beats = registry.count(heartbeat);
  worker->register_again();
  loop.run_for(10ms);
  EXPECT_EQ(registry.count(heartbeat), beats);
}

}  // namespace
}  // namespace chatixia::agent
