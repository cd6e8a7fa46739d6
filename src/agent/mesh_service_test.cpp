#include "agent/mesh_service.hpp"

#include <latch>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_sidecar.hpp"
#include "support/temp_dir.hpp"
#include "support/test_loop.hpp"

namespace chatixia::agent {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
namespace ipc = protocol::ipc;
namespace mesh = protocol::mesh;

// An agent at its sidecar, asked by the peer "bob-sidecar".
class MeshServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    add("echo",
        [](const json::Object& args, SkillContext&) -> Result<json::Value> { return args; });
    add("count", [this](const json::Object& args, SkillContext& context) -> Result<json::Value> {
      const auto count = args.at("to").to_number<int>();
      for (int i = 0; i < count; ++i)
        if (!context.emit(std::to_string(i))) break;
      was_cut = context.cancelled();
      return count;
    });
    client.attach(
        *net::LineConnection::connect(loop, dir.path("s.sock"), MeshClient::connection_options));
    ASSERT_TRUE(loop.run_until([&] { return sidecar.is_connected(); }));
  }
  void TearDown() override {
    skills.cancel_all();
    skills.join();
  }

  void add(const std::string& name, SkillFunction function) {
    skills.add({.name = name, .description = "does " + name, .function = std::move(function)});
  }
  bool ask(std::string_view type, json::Object payload, const std::string& id = "r1") {
    return service.handle(bob, {.type = std::string(type),
                                .request_id = id,
                                .source_agent = "bob",
                                .target_agent = "alice",
                                .payload = std::move(payload)});
  }
  bool ask_skill(const std::string& skill, json::Object args = {}, const std::string& id = "r1") {
    return ask("task_request", {{"skill", skill}, {"args", std::move(args)}}, id);
  }
  // What arrived at the link, in order: texts of chunks, and answers.
  std::vector<std::string> sent() const {
    std::vector<std::string> texts;
    for (const std::string& line : taken) {
      const auto command = ipc::parse_command(line);
      const auto message = mesh::Message::parse(std::get<ipc::Send>(command->body).message);
      texts.push_back(message->type == mesh::type::task_stream_chunk
                          ? std::string(message->payload.at("text").as_string())
                          : json::encode(message->payload));
    }
    return texts;
  }
  // A link with room says ok, and what it takes is kept.
  void take(test::FakeSidecar& s, const ipc::Command& command) {
    taken.push_back(s.lines().back());
    s.say(ipc::encode_ok(*command.id));
  }
  void run_until_sent(std::size_t count) {
    ASSERT_TRUE(loop.run_until([&] { return taken.size() >= count; }));
  }

  const PeerId bob{"bob-sidecar"};
  test::TempDir dir;
  test::TestLoop loop;
  std::vector<std::string> taken;
  test::FakeSidecar sidecar{loop, dir.path("s.sock"),
                            [this](auto& s, const auto& command) { take(s, command); }};
  std::atomic<bool> was_cut = false;
  MeshClient client{loop, {.self = AgentId("alice")}, [](MeshClient::Event) {}};
  SkillRunner skills{loop, {}};
  MeshService service{loop, {}, client, skills};
};

TEST_F(MeshServiceTest, AnswersAPing) {
  EXPECT_TRUE(ask("ping", {}, "p7"));
  run_until_sent(1);
  const auto pong = sidecar.messages("pong").at(0);
  EXPECT_EQ(pong.request_id, "p7");
  EXPECT_EQ(pong.source_agent, "alice");
  EXPECT_EQ(pong.target_agent, "bob");
}

TEST_F(MeshServiceTest, TellsWhichSkillsThereAre) {
  EXPECT_TRUE(ask("skill_query", {{"skill", "echo"}}));
  EXPECT_TRUE(ask("skill_query", {{"skill", "fly"}}));
  EXPECT_TRUE(ask("skill_query", {{"no", "skill"}}));
  run_until_sent(3);
  EXPECT_THAT(sent(), ElementsAre(R"({"available":true,"description":"does echo"})",
                                  R"({"available":false,"description":""})",
                                  R"({"available":false,"description":""})"));
}

TEST_F(MeshServiceTest, LeavesOtherMessagesToOthers) {
  for (const char* const type : {"note", "pong", "task_response", "agent_prompt"})
    EXPECT_FALSE(ask(type, {}));
  EXPECT_TRUE(sidecar.lines().empty());
}

TEST_F(MeshServiceTest, RunsASkillAndAnswersOnce) {
  EXPECT_TRUE(ask_skill("echo", {{"n", 1}}));
  EXPECT_FALSE(service.is_idle());
  ASSERT_TRUE(loop.run_until([&] { return service.is_idle(); }));
  EXPECT_THAT(sent(), ElementsAre(R"({"result":{"n":1}})"));
  EXPECT_EQ(sidecar.messages()[0].type, "task_response");
  EXPECT_EQ(sidecar.messages()[0].request_id, "r1");
}

TEST_F(MeshServiceTest, RefusesInWordsWhatItCannotDo) {
  add("refuse", [](const json::Object&, SkillContext&) -> Result<json::Value> {
    return fail(Errc::forbidden, "not for you");
  });
  ask_skill("refuse", {}, "r1");
  run_until_sent(1);
  ask_skill("fly", {}, "r2");
  run_until_sent(2);
  ask("task_request", {{"args", 7}}, "r3");
  run_until_sent(3);
  ask("task_request", {{"skill", "echo"}, {"timeout_ms", 0}}, "r4");
  run_until_sent(4);
  EXPECT_EQ(sent()[0], R"({"error":"not for you","code":"forbidden"})");
  EXPECT_EQ(sent()[1], R"({"error":"no skill \"fly\"","code":"unknown_skill"})");
  EXPECT_THAT(sent()[2], testing::EndsWith(R"("code":"bad_request"})"));
  EXPECT_THAT(sent()[3], testing::EndsWith(R"("code":"deadline_exceeded"})"));
}

TEST_F(MeshServiceTest, ARequestThatComesAgainWhileItRunsIsOneRequest) {
  std::latch go(1);
  std::atomic<int> runs = 0;
  add("block", [&](const json::Object&, SkillContext&) -> Result<json::Value> {
    ++runs;
    go.wait();
    return 1;
  });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ask_skill("block"));
  ask_skill("block", {}, "r2");
  ASSERT_TRUE(loop.run_until([&] { return runs == 2; }));
  go.count_down();
  ASSERT_TRUE(loop.run_until([&] { return service.is_idle(); }));
  EXPECT_EQ(taken.size(), 2u);
  EXPECT_EQ(runs, 2);
}

TEST_F(MeshServiceTest, DeadlinesHaveADefaultAndABound) {
  std::vector<Instant> deadlines;
  add("when", [&](const json::Object&, SkillContext& context) -> Result<json::Value> {
    deadlines.push_back(context.deadline());
    return nullptr;
  });
  const Instant before = net::now();
  ask("task_request", {{"skill", "when"}}, "r1");
  run_until_sent(1);
  ask("task_request", {{"skill", "when"}, {"timeout_ms", 3'600'000'000}}, "r2");
  run_until_sent(2);
  skills.join();
  ASSERT_EQ(deadlines.size(), 2u);
  const MeshService::Options defaults;
  EXPECT_GE(deadlines[0], before + defaults.deadline_default);
  EXPECT_LE(deadlines[0], net::now() + defaults.deadline_default);
  EXPECT_LE(deadlines[1], net::now() + defaults.deadline_max);
}

TEST_F(MeshServiceTest, ChunksLeaveInTheirOrderAndAheadOfTheAnswer) {
  ask_skill("count", {{"to", 40}});
  run_until_sent(41);
  std::vector<std::string> expected;
  expected.reserve(41);
  for (int i = 0; i < 40; ++i) expected.push_back(std::to_string(i));
  expected.emplace_back(R"({"result":40})");
  EXPECT_EQ(sent(), expected);
  EXPECT_FALSE(was_cut);
}

// Every second message finds the link full at first.
TEST_F(MeshServiceTest, AFullLinkNeitherLosesNorReordersAnything) {
  int asked = 0;
  sidecar.on_command([&](auto& s, const auto& command) {
    if (++asked % 2 == 1) return s.refuse(command, "send_buffer_full");
    take(s, command);
  });
  ask_skill("count", {{"to", 5}});
  run_until_sent(6);
  EXPECT_THAT(sent(), ElementsAre("0", "1", "2", "3", "4", R"({"result":5})"));
  ASSERT_TRUE(loop.run_until([&] { return service.is_idle(); }));
}

TEST_F(MeshServiceTest, AnErrorDoesNotWaitForChunksThatTheLinkDoesNotTake) {
  bool is_full = true;
  sidecar.on_command([&](auto& s, const auto& command) {
    if (is_full) return s.refuse(command, "send_buffer_full");
    take(s, command);
  });
  ask_skill("count", {{"to", 1'000'000}});
  ASSERT_TRUE(loop.run_until([&] { return sidecar.lines().size() >= 2; }));
  skills.cancel_all();
  skills.join();
  loop.run_for(5ms);
  is_full = false;
  ASSERT_TRUE(loop.run_until([&] { return service.is_idle(); }));
  EXPECT_EQ(sent().back(), R"({"error":"The agent is stopping.","code":"unavailable"})");
  EXPECT_LE(taken.size(), 2u);
}

TEST_F(MeshServiceTest, AStreamWithALostChunkEndsWithItsError) {
  sidecar.on_command([&](auto& s, const auto& command) {
    if (s.lines().size() == 3) return s.refuse(command, "connect_failed");
    take(s, command);
  });
  ask_skill("count", {{"to", 1'000'000}});
  ASSERT_TRUE(loop.run_until([&] { return service.is_idle(); }));
  skills.join();
  EXPECT_TRUE(was_cut);
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_EQ(sent()[0], "0");
  EXPECT_EQ(sent()[1], "1");
  EXPECT_THAT(sent()[2], testing::EndsWith(R"("code":"connect_failed"})"));
}

TEST_F(MeshServiceTest, AResultThatNoPeerAcceptsIsAnError) {
  add("big", [](const json::Object&, SkillContext&) -> Result<json::Value> {
    return json::Value(std::string(limits::message_bytes_max, 'x'));
  });
  ask_skill("big");
  ASSERT_TRUE(loop.run_until([&] { return service.is_idle(); }));
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_THAT(sent()[0], testing::EndsWith(R"("code":"message_too_large"})"));
}

TEST_F(MeshServiceTest, AnAnswerThatCannotBeDeliveredIsDropped) {
  sidecar.on_command([](auto& s, const auto& command) { s.refuse(command, "unknown_peer"); });
  ask_skill("echo");
  ASSERT_TRUE(loop.run_until([&] { return service.is_idle(); }));
  EXPECT_EQ(sidecar.lines().size(), 1u);
}

TEST_F(MeshServiceTest, ADeadSidecarEndsEveryAnswer) {
  std::latch go(1);
  add("block", [&](const json::Object&, SkillContext&) -> Result<json::Value> {
    go.wait();
    return 1;
  });
  sidecar.on_command(test::FakeSidecar::answer_nothing);
  ask_skill("count", {{"to", 100}}, "r1");
  ask_skill("block", {}, "r2");
  ASSERT_TRUE(loop.run_until([&] { return !sidecar.lines().empty(); }));
  sidecar.hang_up();
  ASSERT_TRUE(loop.run_until([&] { return !client.is_attached(); }));
  go.count_down();
  ASSERT_TRUE(loop.run_until([&] { return service.is_idle(); }));
}

TEST(TaskReply, ALinkThatTakesNothingIsGivenUp) {
  test::TempDir dir;
  test::TestLoop loop;
  test::FakeSidecar sidecar(loop, dir.path("s.sock"), [](auto& s, const auto& command) {
    s.refuse(command, "send_buffer_full");
  });
  MeshClient client(loop, {.self = AgentId("alice")}, [](MeshClient::Event) {});
  client.attach(
      *net::LineConnection::connect(loop, dir.path("s.sock"), MeshClient::connection_options));
  int ends = 0;
  const auto reply = std::make_shared<TaskReply>(
      loop, client, TaskReply::Options{.retry_min = 1ms, .retry_max = 2ms, .patience = 20ms},
      PeerId("bob"), mesh::Message{.type = "task_request", .request_id = "r1"}, [&] { ++ends; });
  std::vector<bool> written;
  for (int i = 0; i < 2; ++i) reply->add_chunk("x", [&](bool taken) { written.push_back(taken); });
  ASSERT_TRUE(loop.run_until([&] { return written.size() == 2; }));
  EXPECT_THAT(written, ElementsAre(false, false));
  EXPECT_GE(sidecar.lines().size(), 2u);
  reply->add_chunk("y", [&](bool taken) { written.push_back(taken); });
  EXPECT_EQ(written.size(), 3u) << "a stream with a hole takes no more";
  reply->answer(json::Value(1));
  ASSERT_TRUE(loop.run_until([&] { return ends == 1; }));
  EXPECT_TRUE(sidecar.messages("task_response").back().payload.contains("error"));
}

}  // namespace
}  // namespace chatixia::agent
