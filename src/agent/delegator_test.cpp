#include "agent/delegator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_registry.hpp"
#include "support/fake_sidecar.hpp"
#include "support/temp_dir.hpp"
#include "support/test_loop.hpp"

namespace chatixia::agent {
namespace {

using namespace std::chrono_literals;
using test::FakeRegistry;
using testing::ElementsAre;
namespace ipc = protocol::ipc;
namespace mesh = protocol::mesh;

constexpr const char* submission = "POST /api/hub/tasks";
constexpr const char* look = "GET /api/hub/tasks/t1";

class DelegatorTest : public testing::Test {
 protected:
  void SetUp() override {
    mesh_client.attach(
        *net::LineConnection::connect(loop, dir.path("s.sock"), MeshClient::connection_options));
    ASSERT_TRUE(loop.run_until([&] { return sidecar.is_connected(); }));
    registry.answer([this](const net::HttpRequest& request) {
      const auto found = answers.find(request.method + " " + request.path);
      return found == answers.end() ? FakeRegistry::say(R"({"message":"no such thing"})", 404)
                                    : FakeRegistry::say(found->second.text, found->second.status);
    });
    know("bob", "bob-sidecar", "active");
    answers["GET /api/registry/route"] = answers["GET /api/registry/agents/bob"];
    answers[submission] = {R"({"task_id":"t1"})"};
    answers[look] = {R"({"id":"t1","state":"pending"})"};
  }

  void know(const std::string& agent, const std::string& peer, const std::string& health) {
    answers["GET /api/registry/agents/" + agent] = {
        json::encode({{"agent_id", agent}, {"sidecar_peer_id", peer}, {"health", health}})};
  }
  Delegator::Done keep(const std::string& name) {
    return [this, name](const Result<json::Value>& result) {
      outcomes.push_back(
          name + " " +
          (result ? json::encode(*result)
                  : std::string(protocol_code(result.error())) + ": " + result.error().context));
    };
  }
  CallOptions options(Duration time = 10s) {
    return {.deadline = net::now() + time,
            .on_chunk = [this](const std::string& text) { outcomes.push_back("chunk " + text); }};
  }
  void call(const Target& target, Duration time = 10s) {
    delegator.call(target, "dig", {{"depth", 3}}, options(time), keep("call"));
  }
  void delegate(const std::string& target = "", Duration time = 10s) {
    delegator.delegate(AgentId(target), "dig", {{"depth", 3}}, options(time), keep("task"));
  }
  // The request that has arrived at the link, and answers to it.
  mesh::Message wait_request() {
    EXPECT_TRUE(loop.run_until([&] { return !sidecar.messages("task_request").empty(); }));
    return sidecar.messages("task_request").back();
  }
  void reply(const mesh::Message& request, std::string_view type, json::Object payload) {
    sidecar.say_from("bob-sidecar", {.type = std::string(type),
                                     .request_id = request.request_id,
                                     .source_agent = "bob",
                                     .target_agent = "alice",
                                     .payload = std::move(payload)});
  }
  void refuse_with(const std::string& code) {
    sidecar.on_command([code](auto& s, const auto& command) { s.refuse(command, code); });
  }
  void run_until_outcomes(std::size_t count) {
    ASSERT_TRUE(loop.run_until([&] { return outcomes.size() >= count; }));
  }
  std::string code() const { return outcomes.at(0).substr(0, outcomes[0].find(':')); }

  struct Answer {
    std::string text;
    int status = 200;
  };
  const PeerId bob{"bob-sidecar"};
  test::TempDir dir;
  test::TestLoop loop;
  test::FakeSidecar sidecar{loop, dir.path("s.sock")};
  FakeRegistry registry{loop};
  std::map<std::string, Answer> answers;
  std::vector<std::string> outcomes;
  MeshClient mesh_client{loop, {.self = AgentId("alice")}, [](MeshClient::Event) {}};
  RegistryClient registry_client{loop, {.url = registry.url(), .api_key = "k"}};
  Delegator delegator{
      loop,
      {.self = AgentId("alice"), .poll_min = 2ms, .poll_max = 4ms, .attempts_max = 3},
      mesh_client,
      registry_client};
};

TEST_F(DelegatorTest, CallsAPeerAndGivesItsAnswer) {
  call(bob);
  const mesh::Message request = wait_request();
  const auto task = mesh::TaskRequest::parse(request.payload);
  ASSERT_TRUE(task);
  EXPECT_EQ(task->skill, "dig");
  EXPECT_EQ(task->args, (json::Object{{"depth", 3}}));
  EXPECT_GT(task->timeout_ms.value_or(0), 0);
  EXPECT_LE(task->timeout_ms.value_or(0), 10'000);
  EXPECT_EQ(request.source_agent, "alice");
  reply(request, "task_response", {{"result", {1, 2}}});
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("call [1,2]"));
  EXPECT_TRUE(registry.requests().empty());
}

TEST_F(DelegatorTest, ChunksComeInTheirOrderAndAheadOfTheAnswer) {
  call(bob);
  const mesh::Message request = wait_request();
  for (const char* const text : {"one", "two", "three"})
    reply(request, "task_stream_chunk", {{"text", text}});
  reply(request, "task_response", {{"result", "end"}});
  run_until_outcomes(4);
  EXPECT_THAT(outcomes, ElementsAre("chunk one", "chunk two", "chunk three", "call \"end\""));
}

TEST_F(DelegatorTest, AnEmptyChunkThatOnlyEndsTheStreamIsNotShown) {
  call(bob);
  const mesh::Message request = wait_request();
  reply(request, "task_stream_chunk", {{"text", "one"}});
  reply(request, "task_stream_chunk", {{"text", ""}, {"done", true}});
  reply(request, "task_response", {{"result", "end"}});
  run_until_outcomes(2);
  EXPECT_THAT(outcomes, ElementsAre("chunk one", "call \"end\""));
}

TEST_F(DelegatorTest, WhatComesAfterTheAnswerIsHarmless) {
  call(bob);
  const mesh::Message request = wait_request();
  for (int i = 0; i < 3; ++i) reply(request, "task_response", {{"result", i}});
  reply(request, "task_stream_chunk", {{"text", "late"}});
  call(bob);
  ASSERT_TRUE(loop.run_until([&] { return sidecar.messages("task_request").size() == 2; }));
  reply(wait_request(), "task_response", {{"result", "second"}});
  run_until_outcomes(2);
  EXPECT_THAT(outcomes, ElementsAre("call 0", "call \"second\""));
}

TEST_F(DelegatorTest, ThePeersErrorIsTheCallersError) {
  call(bob);
  reply(wait_request(), "task_response",
        {{"error", "no skill \"dig\""}, {"code", "unknown_skill"}});
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("call unknown_skill: no skill \"dig\""));
}

TEST_F(DelegatorTest, AnAnswerThatMakesNoSenseIsAnError) {
  call(bob);
  reply(wait_request(), "task_response", {{"outcome", 1}});
  run_until_outcomes(1);
  EXPECT_EQ(code(), "call internal");
}

TEST_F(DelegatorTest, AnAgentIsLookedUp) {
  call(AgentId("bob"));
  const mesh::Message request = wait_request();
  EXPECT_EQ(request.target_agent, "bob");
  reply(request, "task_response", {{"result", 1}});
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("call 1"));
}

TEST_F(DelegatorTest, AnAgentThatCannotBeFoundIsAnErrorOfItsKind) {
  know("carl", "", "active");
  answers["GET /api/registry/agents/dora"] = {"", 503};
  answers["GET /api/registry/agents/emil"] = {"<html>"};
  answers["GET /api/registry/agents/fred"] = {"{}", 401};
  const std::vector<std::pair<std::string, std::string>> table = {{"carl", "call unknown_peer"},
                                                                  {"nobody", "call not_found"},
                                                                  {"dora", "call unavailable"},
                                                                  {"emil", "call internal"},
                                                                  {"fred", "call unauthorized"}};
  for (const auto& [agent, error] : table) {
    outcomes.clear();
    call(AgentId(agent));
    run_until_outcomes(1);
    EXPECT_EQ(code(), error) << agent;
  }
  EXPECT_TRUE(sidecar.lines().empty());
  EXPECT_EQ(registry.count(submission), 0) << "a call never goes through the queue";
}

TEST_F(DelegatorTest, ACallNeverGoesThroughTheQueue) {
  refuse_with("not_connected");
  call(AgentId("bob"));
  run_until_outcomes(1);
  EXPECT_EQ(code(), "call not_connected");
  EXPECT_EQ(registry.count(submission), 0);
}

TEST_F(DelegatorTest, DelegatesOverTheMeshToWhoeverHasTheSkill) {
  delegate();
  reply(wait_request(), "task_response", {{"result", 1}});
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("task 1"));
  EXPECT_EQ(registry.requests().at(0).parameter("skill"), "dig");
  EXPECT_EQ(registry.count(submission), 0);
}

TEST_F(DelegatorTest, FallsBackToTheQueueWhenTheMessageNeverLeft) {
  answers[look] = {R"({"id":"t1","state":"completed","result":"dug"})"};
  for (const char* const error : {"not_connected", "unknown_peer", "connect_failed"}) {
    outcomes.clear();
    refuse_with(error);
    delegate("bob");
    run_until_outcomes(1);
    EXPECT_THAT(outcomes, ElementsAre("task \"dug\"")) << error;
    const auto task = registry.body(submission);
    EXPECT_EQ(task.at("skill"), "dig");
    EXPECT_EQ(task.at("target_agent_id"), "bob");
    EXPECT_EQ(task.at("source_agent_id"), "alice");
    EXPECT_EQ(task.at("payload"), (json::Value{{"depth", 3}}));
    EXPECT_EQ(task.at("ttl"), 10);
  }
  EXPECT_EQ(registry.count(submission), 3);
}

TEST_F(DelegatorTest, DoesNotFallBackWhereTheWorkCouldBeDoneTwice) {
  for (const char* const error :
       {"send_buffer_full", "deadline_exceeded", "sidecar_gone", "internal", "unavailable"}) {
    outcomes.clear();
    refuse_with(error);
    delegate("bob");
    run_until_outcomes(1);
    EXPECT_EQ(code(), std::string("task ") + error);
  }
  // A peer that answers is reached, whatever it says.
  outcomes.clear();
  sidecar.on_command(test::FakeSidecar::answer_ok);
  delegate("bob");
  ASSERT_TRUE(loop.run_until([&] { return sidecar.messages("task_request").size() == 6; }));
  reply(wait_request(), "task_response", {{"error", "of my own"}, {"code", "not_connected"}});
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("task skill_failed: not_connected: of my own"));
  EXPECT_EQ(registry.count(submission), 0);
}

TEST_F(DelegatorTest, ALinkThatClosesMeanwhileIsNoReasonForTheQueue) {
  delegate("bob");
  wait_request();
  sidecar.say(ipc::encode_peer_disconnected(bob, "it left"));
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("task unavailable: it left"));
  EXPECT_EQ(registry.count(submission), 0);
}

TEST_F(DelegatorTest, AnAgentThatIsAwayIsReachedThroughItsQueue) {
  answers[look] = {R"({"id":"t1","state":"completed","result":"dug"})"};
  know("carl", "", "active");
  know("dora", "dora-sidecar", "stale");
  know("emil", "emil-sidecar", "offline");
  for (const char* const agent : {"carl", "dora", "emil"}) {
    outcomes.clear();
    delegate(agent);
    run_until_outcomes(1);
    EXPECT_THAT(outcomes, ElementsAre("task \"dug\"")) << agent;
  }
  EXPECT_TRUE(sidecar.messages().empty());
}

TEST_F(DelegatorTest, NobodyToDelegateToIsAnError) {
  answers.erase("GET /api/registry/route");
  delegate();
  delegate("nobody");
  run_until_outcomes(2);
  for (const std::string& outcome : outcomes)
    EXPECT_THAT(outcome, testing::StartsWith("task not_found"));
}

// How a task in the queue ends.
class DelegatorQueueTest : public DelegatorTest {
 protected:
  void SetUp() override {
    DelegatorTest::SetUp();
    know("bob", "", "active");
  }
};

TEST_F(DelegatorQueueTest, IsLookedAtUntilItIsDone) {
  delegate("bob");
  ASSERT_TRUE(loop.run_until([&] { return registry.count(look) >= 3; }));
  EXPECT_TRUE(outcomes.empty());
  answers[look] = {R"({"id":"t1","state":"assigned"})"};
  const int looks = registry.count(look);
  ASSERT_TRUE(loop.run_until([&] { return registry.count(look) >= looks + 2; }));
  answers[look] = {R"({"id":"t1","state":"completed","result":{"hole":3}})"};
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre(R"(task {"hole":3})"));
  const int last = registry.count(look);
  loop.run_for(10ms);
  EXPECT_EQ(registry.count(look), last);
}

TEST_F(DelegatorQueueTest, ItsFailureIsTheCallersError) {
  answers[look] = {R"({"id":"t1","state":"failed","error":"forbidden: not here"})"};
  delegate("bob");
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("task forbidden: not here"));
}

TEST_F(DelegatorQueueTest, ARegistryThatIsAwayForAWhileIsWaitedFor) {
  answers[look] = {"", 503};
  delegate("bob");
  ASSERT_TRUE(loop.run_until([&] { return registry.count(look) >= 2; }));
  answers[look] = {R"({"id":"t1","state":"completed","result":"dug"})"};
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("task \"dug\""));
}

TEST_F(DelegatorQueueTest, ARegistryThatForgotItOrMakesNoSenseIsFinal) {
  for (const auto& [answer, error] : {std::pair(Answer{"{}", 404}, "task not_found"),
                                      std::pair(Answer{"<html>"}, "task internal"),
                                      std::pair(Answer{"{}", 401}, "task unauthorized")}) {
    outcomes.clear();
    answers[look] = answer;
    delegate("bob");
    run_until_outcomes(1);
    EXPECT_EQ(code(), error);
  }
}

TEST_F(DelegatorQueueTest, ASubmissionThatIsRefusedIsAnError) {
  answers[submission] = {R"({"message":"slow down"})", 429};
  delegate("bob");
  run_until_outcomes(1);
  EXPECT_EQ(code(), "task too_many_requests");
  EXPECT_EQ(registry.count(look), 0);
}

TEST_F(DelegatorQueueTest, ItsDeadlineEndsTheWait) {
  delegate("bob", 50ms);
  run_until_outcomes(1);
  EXPECT_EQ(code(), "task deadline_exceeded");
  EXPECT_EQ(registry.body(submission).at("ttl"), 1) << "whole seconds, at least one";
}

TEST_F(DelegatorTest, TheDeadlineEndsEveryStep) {
  registry.hold();
  call(AgentId("bob"), 20ms);
  delegate("bob", 20ms);
  call(bob, 20ms);
  run_until_outcomes(3);
  for (const std::string& outcome : outcomes)
    EXPECT_THAT(outcome, testing::HasSubstr("deadline_exceeded"));
  // What comes after it finds nobody.
  registry.release();
  reply(wait_request(), "task_response", {{"result", 1}});
  loop.run_for(5ms);
  EXPECT_EQ(outcomes.size(), 3u);
  EXPECT_EQ(sidecar.messages("task_request").size(), 1u);
}

TEST_F(DelegatorTest, RefusesMoreThanItMayHold) {
  for (int i = 0; i < 4; ++i) call(bob);
  EXPECT_THAT(outcomes, ElementsAre("call too_many_requests: too many calls are under way"));
  delegate();
  EXPECT_EQ(outcomes.size(), 2u);
  reply(wait_request(), "task_response", {{"result", 1}});
}

TEST_F(DelegatorTest, ADeadSidecarEndsEveryCallAtOnce) {
  for (int i = 0; i < 3; ++i) call(bob);
  ASSERT_TRUE(loop.run_until([&] { return sidecar.messages().size() == 3; }));
  sidecar.hang_up();
  run_until_outcomes(3);
  for (const std::string& outcome : outcomes)
    EXPECT_THAT(outcome, testing::StartsWith("call sidecar_gone"));
  call(bob);
  EXPECT_EQ(outcomes.size(), 4u) << "without a sidecar a call fails before it begins";
}

TEST_F(DelegatorTest, CancellingEndsEveryStepWithTheReason) {
  registry.hold();
  call(bob);
  call(AgentId("bob"));
  delegate();
  ASSERT_TRUE(loop.run_until([&] { return registry.held() == 2; }));
  delegator.cancel_all({Errc::stopped, "for the night"});
  EXPECT_THAT(outcomes, testing::UnorderedElementsAre("call unavailable: for the night",
                                                      "call unavailable: for the night",
                                                      "task unavailable: for the night"));
  registry.release();
  reply(wait_request(), "task_response", {{"result", 1}});
  loop.run_for(5ms);
  EXPECT_EQ(outcomes.size(), 3u);
}

TEST_F(DelegatorTest, TheEndOfOneCallMayBeginAnother) {
  delegator.call(bob, "dig", {}, options(), [this](const Result<json::Value>&) { call(bob); });
  reply(wait_request(), "task_response", {{"result", 1}});
  ASSERT_TRUE(loop.run_until([&] { return sidecar.messages("task_request").size() == 2; }));
  reply(wait_request(), "task_response", {{"result", 2}});
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("call 2"));
}

TEST(Delegation, FallsBackOnlyWhereNothingCanHaveHappened) {
  for (int code = 1; code <= static_cast<int>(Errc::peer_lost); ++code) {
    const auto error = static_cast<Errc>(code);
    const bool never_left = error == Errc::not_connected || error == Errc::unknown_peer ||
                            error == Errc::connect_failed;
    EXPECT_EQ(may_fall_back({error, {}}), never_left) << code;
  }
}

}  // namespace
}  // namespace chatixia::agent
