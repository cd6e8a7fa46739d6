#include "agent/mesh_client.hpp"

#include <set>

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

// A client and a sidecar on one loop; every outcome is kept.
class MeshClientTest : public testing::Test {
 protected:
  void SetUp() override {
    attach();
    ASSERT_TRUE(loop.run_until([&] { return sidecar.is_connected(); }));
  }
  void attach() {
    auto connection =
        net::LineConnection::connect(loop, dir.path("s.sock"), MeshClient::connection_options);
    ASSERT_TRUE(connection) << connection.error().message();
    client.attach(std::move(*connection));
  }
  void run_until_lines(std::size_t count) {
    ASSERT_TRUE(loop.run_until([&] { return sidecar.lines().size() >= count; }));
  }
  MeshClient::Callback<void> keep(std::string name) {
    return [this, name](const Result<void>& result) {
      outcomes.push_back(name +
                         (result ? " ok" : " " + std::string(protocol_code(result.error()))));
    };
  }
  MeshClient::Callback<mesh::Message> keep_message(std::string name) {
    return [this, name](const Result<mesh::Message>& result) {
      outcomes.push_back(
          name + " " +
          (result ? json::encode(result->payload) : std::string(protocol_code(result.error()))));
    };
  }
  void run_until_outcomes(std::size_t count) {
    ASSERT_TRUE(loop.run_until([&] { return outcomes.size() >= count; }));
  }
  // The message inside the command at `index`.
  mesh::Message sent(std::size_t index) const {
    return *mesh::Message::parse(std::get<ipc::Send>(sidecar.command(index).body).message);
  }
  void answer(const std::string& from, std::string_view type, const std::string& request_id,
              json::Object payload) {
    sidecar.say(ipc::encode_message(PeerId(from), mesh::Message{.type = std::string(type),
                                                                .request_id = request_id,
                                                                .source_agent = {},
                                                                .target_agent = {},
                                                                .payload = std::move(payload)}
                                                      .encode()));
  }

  const mesh::Message ping = {.type = "ping"};
  const PeerId bob{"bob"};
  test::TempDir dir;
  test::TestLoop loop;
  test::FakeSidecar sidecar{loop, dir.path("s.sock")};
  std::vector<std::string> outcomes;
  std::vector<MeshClient::Event> events;
  MeshClient client{loop,
                    {.self = AgentId("alice"), .pending_max = 4, .command_timeout = 30s},
                    [this](MeshClient::Event event) { events.push_back(std::move(event)); }};
};

TEST_F(MeshClientTest, ACommandIsDoneWhenTheSidecarSaysOk) {
  client.send(bob, ping, keep("send"));
  client.broadcast(ping, keep("broadcast"));
  client.connect(bob, keep("connect"));
  run_until_outcomes(3);
  EXPECT_THAT(outcomes, ElementsAre("send ok", "broadcast ok", "connect ok"));
  EXPECT_EQ(std::get<ipc::Connect>(sidecar.command(2).body).target, bob);
  EXPECT_EQ(client.pending(), 0u);
}

TEST_F(MeshClientTest, ARefusalTellsItsCode) {
  sidecar.on_command([](auto& s, const auto& command) { s.refuse(command, "send_buffer_full"); });
  client.send(bob, ping, keep("send"));
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("send send_buffer_full"));
}

TEST_F(MeshClientTest, AnswersFindTheirCommandsInAnyOrder) {
  sidecar.on_command([](auto&, const auto&) {});
  client.connect(PeerId("slow"), keep("slow"));
  client.connect(PeerId("fast"), keep("fast"));
  run_until_lines(2);
  sidecar.say(ipc::encode_ok(*sidecar.command(1).id));
  sidecar.say(ipc::encode_ok(*sidecar.command(1).id));
  sidecar.say(ipc::encode_ok("nobody"));
  sidecar.say(ipc::encode_ok(*sidecar.command(0).id));
  run_until_outcomes(2);
  EXPECT_THAT(outcomes, ElementsAre("fast ok", "slow ok"));
}

TEST_F(MeshClientTest, ListsAndStatusAreAnsweredByTheirEvents) {
  sidecar.on_command([](test::FakeSidecar& s, const ipc::Command& command) {
    if (std::holds_alternative<ipc::ListPeers>(command.body))
      s.say(ipc::encode_peer_list(command.id, {PeerId("bob"), PeerId("carol")}));
    else
      s.say(ipc::encode_status_event(command.id, {{"self", "alice-sidecar"}}));
    s.say(ipc::encode_ok(*command.id));
  });
  std::vector<PeerId> peers;
  json::Object status;
  client.list_peers([&](auto list) { peers = *list; });
  client.status([&](auto object) { status = *object; });
  ASSERT_TRUE(loop.run_until([&] { return !status.empty(); }));
  EXPECT_THAT(peers, ElementsAre(PeerId("bob"), PeerId("carol")));
  EXPECT_EQ(status, (json::Object{{"self", "alice-sidecar"}}));
}

TEST_F(MeshClientTest, AnAnswerOfAnotherKindIsAnError) {
  bool refused = false;
  client.list_peers([&](const auto& list) { refused = !list; });
  ASSERT_TRUE(loop.run_until([&] { return refused; }));
}

TEST_F(MeshClientTest, ARequestGetsItsChunksAndThenItsAnswer) {
  client.request(
      bob, {.type = "task_request"}, net::now() + 10s,
      [&](const mesh::StreamChunk& chunk) { outcomes.push_back(chunk.text); },
      keep_message("answer"));
  run_until_lines(1);
  const std::string id = sent(0).request_id;
  EXPECT_FALSE(id.empty());
  answer("bob", "task_stream_chunk", id, {{"text", "one"}});
  answer("bob", "task_stream_chunk", id, {{"text", "two"}});
  answer("bob", "task_response", id, {{"result", 1}});
  run_until_outcomes(3);
  EXPECT_THAT(outcomes, ElementsAre("one", "two", R"(answer {"result":1})"));
  EXPECT_TRUE(events.empty());
}

TEST_F(MeshClientTest, OnlyThePeerThatWasAskedCanAnswer) {
  client.request(bob, ping, net::now() + 10s, {}, keep_message("answer"));
  run_until_lines(1);
  const std::string id = sent(0).request_id;
  answer("mallory", "pong", id, {{"from", "mallory"}});
  answer("bob", "ping", id, {});
  answer("bob", "pong", id, {{"from", "bob"}});
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre(R"(answer {"from":"bob"})"));
  EXPECT_EQ(events.size(), 2u);
}

TEST_F(MeshClientTest, LateAndRepeatedAnswersAreOrdinaryMessages) {
  client.request(bob, ping, net::now() + 10s, {}, keep_message("answer"));
  run_until_lines(1);
  const std::string id = sent(0).request_id;
  for (int i = 0; i < 3; ++i) answer("bob", "pong", id, {{"n", i}});
  answer("bob", "task_stream_chunk", id, {{"text", "late"}});
  ASSERT_TRUE(loop.run_until([&] { return events.size() == 3; }));
  EXPECT_THAT(outcomes, ElementsAre(R"(answer {"n":0})"));
  EXPECT_EQ(std::get<MeshClient::MessageReceived>(events[0]).from, bob);
}

TEST_F(MeshClientTest, ARequestThatCannotBeSentFailsWithTheReason) {
  sidecar.on_command([](auto& s, const auto& command) { s.refuse(command, "unknown_peer"); });
  client.request(bob, ping, net::now() + 10s, {}, keep_message("answer"));
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("answer unknown_peer"));
  EXPECT_EQ(client.pending(), 0u);
}

TEST_F(MeshClientTest, ALinkThatClosesEndsTheRequestsThatItTook) {
  sidecar.on_command([this](auto& s, const auto& command) {
    // What is for Bob is taken at once; Carol's link is being made still.
    if (std::get<ipc::Send>(command.body).target == bob) s.say(ipc::encode_ok(*command.id));
  });
  const PeerId carol("carol");
  client.request(bob, ping, net::now() + 10s, {}, keep_message("bob"));
  client.request(carol, ping, net::now() + 10s, {}, keep_message("carol"));
  run_until_lines(2);
  sidecar.say(ipc::encode_peer_disconnected(carol, "an older link"));
  sidecar.say(ipc::encode_peer_disconnected(bob, "it left"));
  run_until_outcomes(1);
  ASSERT_TRUE(loop.run_until([&] { return events.size() == 2; }));
  EXPECT_THAT(outcomes, ElementsAre("bob unavailable"));

  sidecar.say(ipc::encode_ok(*sidecar.command(1).id));
  answer("carol", "pong", sent(1).request_id, {});
  run_until_outcomes(2);
  EXPECT_EQ(outcomes.back(), "carol {}");
}

TEST_F(MeshClientTest, ARequestEndsAtItsDeadline) {
  client.request(bob, ping, net::now() + 20ms, {}, keep_message("answer"));
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("answer deadline_exceeded"));
}

TEST_F(MeshClientTest, ADeadSidecarFailsEverythingAtOnce) {
  sidecar.on_command([](auto&, const auto&) {});
  client.send(bob, ping, keep("send"));
  client.request(bob, ping, net::now() + 10s, {}, keep_message("answer"));
  run_until_lines(2);
  sidecar.hang_up();
  run_until_outcomes(2);
  EXPECT_THAT(outcomes, testing::UnorderedElementsAre("send sidecar_gone", "answer sidecar_gone"));
  ASSERT_TRUE(loop.run_until([&] { return !events.empty(); }));
  EXPECT_TRUE(std::holds_alternative<MeshClient::Closed>(events[0]));
  EXPECT_EQ(client.pending(), 0u);

  client.send(bob, ping, keep("later"));
  EXPECT_EQ(outcomes.back(), "later sidecar_gone");
}

TEST_F(MeshClientTest, ANewConnectionServesAgain) {
  sidecar.hang_up();
  ASSERT_TRUE(loop.run_until([&] { return !client.is_attached(); }));
  attach();
  client.send(bob, ping, keep("send"));
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("send ok"));
}

TEST_F(MeshClientTest, WhatWaitsIsBounded) {
  sidecar.on_command([](auto&, const auto&) {});
  for (int i = 0; i < 5; ++i) client.connect(bob, keep("connect"));
  EXPECT_THAT(outcomes, ElementsAre("connect too_many_requests"));
  client.request(bob, ping, net::now() + 10s, {}, keep_message("answer"));
  EXPECT_EQ(outcomes.back(), "answer too_many_requests");
}

TEST_F(MeshClientTest, AMessageThatNoPeerAcceptsIsNotSent) {
  const mesh::Message large = {.type = "x",
                               .payload = {{"text", std::string(limits::message_bytes_max, 'x')}}};
  client.send(bob, large, keep("send"));
  client.broadcast(large, keep("broadcast"));
  client.request(bob, large, net::now() + 10s, {}, keep_message("answer"));
  EXPECT_THAT(outcomes, ElementsAre("send message_too_large", "broadcast message_too_large",
                                    "answer message_too_large"));
  EXPECT_EQ(client.pending(), 0u);
}

TEST_F(MeshClientTest, LinesThatMakeNoSenseAreSkipped) {
  sidecar.say("hello");
  sidecar.say(R"({"type":"message","payload":{"from_peer":"bob","message":{"no":"type"}}})");
  sidecar.say(R"({"type":"weather","payload":{}})");
  sidecar.say(ipc::encode_peer_disconnected(bob, "gone"));
  ASSERT_TRUE(loop.run_until([&] { return !events.empty(); }));
  EXPECT_EQ(std::get<ipc::PeerDisconnected>(events[0]).reason, "gone");
}

TEST_F(MeshClientTest, TellsThatTheRegistryIsBack) {
  sidecar.say(ipc::encode_registry_connected(PeerId("alice-sidecar")));
  ASSERT_TRUE(loop.run_until([&] { return !events.empty(); }));
  EXPECT_EQ(std::get<ipc::RegistryConnected>(events[0]).self, PeerId("alice-sidecar"));
}

TEST_F(MeshClientTest, ErrorsOfNobodysCommandAreEvents) {
  sidecar.say(ipc::encode_error(std::nullopt, protocol::make_problem("backlog_full"), bob));
  ASSERT_TRUE(loop.run_until([&] { return !events.empty(); }));
  EXPECT_EQ(std::get<ipc::ErrorEvent>(events[0]).problem.code, "backlog_full");
}

TEST_F(MeshClientTest, RequestIdsAreNeverUsedTwice) {
  std::set<std::string> ids;
  for (int i = 0; i < 3; ++i) client.request(bob, ping, net::now() + 10s, {}, keep_message("a"));
  run_until_lines(3);
  for (std::size_t i = 0; i < 3; ++i) ids.insert(sent(i).request_id);
  EXPECT_EQ(ids.size(), 3u);
}

TEST(MeshClientTimeout, ACommandThatIsNotAnsweredFails) {
  test::TempDir dir;
  test::TestLoop loop;
  test::FakeSidecar sidecar(loop, dir.path("s.sock"), [](auto&, const auto&) {});
  MeshClient client(loop, {.self = AgentId("alice"), .command_timeout = 20ms},
                    [](MeshClient::Event) {});
  client.attach(
      *net::LineConnection::connect(loop, dir.path("s.sock"), MeshClient::connection_options));
  std::optional<Error> error;
  client.connect(PeerId("bob"), [&](const Result<void>& result) { error = result.error(); });
  ASSERT_TRUE(loop.run_until([&] { return error.has_value(); }));
  EXPECT_EQ(error->code, Errc::deadline_exceeded);
}

}  // namespace
}  // namespace chatixia::agent
