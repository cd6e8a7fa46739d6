#include "agent/registry_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_registry.hpp"
#include "support/raw_tcp.hpp"
#include "support/test_loop.hpp"

namespace chatixia::agent {
namespace {

using namespace std::chrono_literals;
using test::FakeRegistry;
using testing::HasSubstr;
namespace api = protocol::api;

class RegistryClientTest : public testing::Test {
 protected:
  // Runs one call to its end.
  template <class T, class Start>
  Result<T> finish(Start start) {
    std::optional<Result<T>> outcome;
    start([&](Result<T> result) {
      EXPECT_FALSE(outcome.has_value()) << "answered twice";
      outcome = std::move(result);
    });
    EXPECT_TRUE(loop.run_until([&] { return outcome.has_value(); }));
    return outcome ? std::move(*outcome) : fail(Errc::deadline_exceeded);
  }
  Result<api::AgentRecord> find(RegistryClient& from, const std::string& agent) {
    return finish<api::AgentRecord>(
        [&](auto done) { from.find_agent(AgentId(agent), std::move(done)); });
  }
  Result<std::vector<api::Task>> beat(RegistryClient& from) {
    return finish<std::vector<api::Task>>(
        [&](auto done) { from.heartbeat({.agent_id = "alice"}, std::move(done)); });
  }
  void answer(std::string body, int status = 200) {
    registry.answer([=](const auto&) { return FakeRegistry::say(body, status); });
  }

  test::TestLoop loop;
  FakeRegistry registry{loop};
  RegistryClient client{loop, {.url = registry.url(), .api_key = "key-1", .timeout = 10s}};
};

TEST_F(RegistryClientTest, RegistersWithItsKey) {
  const auto done = finish<void>([&](auto callback) {
    client.register_agent({.agent_id = "alice", .hostname = "h", .sidecar_peer_id = "p"},
                          std::move(callback));
  });
  ASSERT_TRUE(done) << done.error().message();
  ASSERT_EQ(registry.count("POST /api/registry/agents"), 1);
  EXPECT_EQ(registry.requests()[0].header("x-api-key"), "key-1");
  EXPECT_EQ(registry.requests()[0].header("content-type"), "application/json");
  EXPECT_EQ(registry.body("POST /api/registry/agents")["sidecar_peer_id"], "p");
}

TEST_F(RegistryClientTest, WithoutAKeyItSendsNone) {
  RegistryClient open(loop, {.url = registry.url(), .api_key = ""});
  (void)beat(open);
  EXPECT_EQ(registry.requests().at(0).header("x-api-key"), "");
}

TEST_F(RegistryClientTest, AHeartbeatBringsTasks) {
  answer(R"({"status":"ok","pending_tasks":[{"id":"t1","skill":"dig","payload":{"n":1}},
             {"id":"t2","skill":"fly","ttl":5}]})");
  const auto tasks = beat(client);
  ASSERT_TRUE(tasks) << tasks.error().message();
  ASSERT_EQ(tasks->size(), 2u);
  EXPECT_EQ(tasks->at(0).payload, (json::Value{{"n", 1}}));
  EXPECT_EQ(tasks->at(1).ttl, 5);
}

TEST_F(RegistryClientTest, AHeartbeatWithoutTasksIsFine) {
  for (const char* const body : {"{}", R"({"pending_tasks":null})", R"({"pending_tasks":[]})"}) {
    answer(body);
    const auto tasks = beat(client);
    ASSERT_TRUE(tasks) << body;
    EXPECT_TRUE(tasks->empty());
  }
}

TEST_F(RegistryClientTest, AHeartbeatThatMakesNoSenseIsRefusedAsAWhole) {
  std::string many = R"({"pending_tasks":[)";
  for (int i = 0; i < 1025; ++i) many += i == 0 ? R"({"id":"t"})" : R"(,{"id":"t"})";
  for (const std::string& body :
       {std::string(R"({"pending_tasks":7})"), std::string(R"({"pending_tasks":[7]})"),
        std::string(R"({"pending_tasks":[{"id":"t1"},{"skill":"no id"}]})"), many + "]}"}) {
    answer(body);
    const auto tasks = beat(client);
    ASSERT_FALSE(tasks) << body;
    EXPECT_EQ(tasks.error().code, Errc::internal);
    EXPECT_THAT(tasks.error().context, HasSubstr("the registry's answer"));
  }
}

TEST_F(RegistryClientTest, AsksForAgentsRoutesAndTasksByTheirNames) {
  answer(R"({"agent_id":"bob","sidecar_peer_id":"bob-sidecar","health":"active"})");
  const auto bob = find(client, "bob /?#");
  ASSERT_TRUE(bob) << bob.error().message();
  EXPECT_EQ(bob->sidecar_peer_id, "bob-sidecar");
  EXPECT_EQ(registry.requests().back().path, "/api/registry/agents/bob /?#");

  ASSERT_TRUE(finish<api::AgentRecord>(
      [&](auto done) { client.find_route("dig & fly", std::move(done)); }));
  EXPECT_EQ(registry.requests().back().path, "/api/registry/route");
  EXPECT_EQ(registry.requests().back().parameter("skill"), "dig & fly");

  answer(R"({"id":"t/1","state":"completed","result":[1]})");
  const auto task = finish<api::Task>([&](auto done) { client.find_task("t/1", std::move(done)); });
  ASSERT_TRUE(task);
  EXPECT_EQ(task->result, json::Value(json::Array{1}));
}

TEST_F(RegistryClientTest, SubmitsAndUpdatesTasks) {
  answer(R"({"task_id":"t9"})");
  const auto id = finish<std::string>([&](auto done) {
    client.submit_task({.skill = "dig", .target_agent_id = "bob", .ttl = 7}, std::move(done));
  });
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, "t9");
  EXPECT_EQ(registry.body("POST /api/hub/tasks")["ttl"], 7);

  ASSERT_TRUE(finish<void>([&](auto done) {
    client.update_task("t9", {.state = "completed", .result = 4, .error = {}}, std::move(done));
  }));
  EXPECT_EQ(registry.body("POST /api/hub/tasks/t9")["result"], 4);
}

TEST_F(RegistryClientTest, AStatusIsAnErrorOfItsKindWithTheRegistrysReason) {
  const std::vector<std::pair<int, Errc>> table = {
      {400, Errc::bad_request},       {401, Errc::unauthorized}, {403, Errc::forbidden},
      {404, Errc::not_found},         {409, Errc::conflict},     {413, Errc::message_too_large},
      {429, Errc::too_many_requests}, {500, Errc::internal},     {502, Errc::unavailable},
      {503, Errc::unavailable},       {504, Errc::unavailable},  {418, Errc::bad_request},
      {599, Errc::internal}};
  for (const auto& [status, code] : table) {
    answer(R"({"code":"x","message":"because of the rain"})", status);
    const auto found = find(client, "bob");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, code) << status;
    EXPECT_THAT(found.error().context, HasSubstr(std::to_string(status)));
    EXPECT_THAT(found.error().context, HasSubstr("because of the rain"));
  }
}

TEST_F(RegistryClientTest, ARefusalNeedsNoBodyThatMakesSense) {
  for (const char* const body : {"", "<html>busy</html>", R"({"error":"in words of 0.4"})"}) {
    answer(body, 503);
    EXPECT_EQ(find(client, "bob").error().code, Errc::unavailable) << body;
  }
  EXPECT_THAT(find(client, "bob").error().context, HasSubstr("in words of 0.4"));
}

TEST_F(RegistryClientTest, AnAnswerThatMakesNoSenseIsAnError) {
  for (const char* const body : {"", "<html>hello</html>", "[]", "7", R"({"agent_id":7})", "{}"}) {
    answer(body);
    const auto found = find(client, "bob");
    ASSERT_FALSE(found) << body;
    EXPECT_EQ(found.error().code, Errc::internal) << body;
  }
  answer("{}");
  EXPECT_EQ(
      finish<std::string>([&](auto done) { client.submit_task({}, std::move(done)); }).error().code,
      Errc::internal);
}

TEST_F(RegistryClientTest, AnErrorWithStatus200IsHow04SaysNotFound) {
  answer(R"({"error":"not found"})");
  EXPECT_EQ(find(client, "bob").error().code, Errc::not_found);
  // A failed task has an error as well, and an id.
  answer(R"({"id":"t1","state":"failed","error":"boom"})");
  const auto task = finish<api::Task>([&](auto done) { client.find_task("t1", std::move(done)); });
  ASSERT_TRUE(task);
  EXPECT_EQ(task->error, "boom");
}

TEST_F(RegistryClientTest, ARegistryThatIsNotThereIsUnavailable) {
  std::uint16_t port = 0;
  {
    const auto gone = test::RawTcp::listen();
    port = gone.port();
  }
  RegistryClient lonely(loop, {.url = {"http", "127.0.0.1", port, "/"}, .api_key = ""});
  EXPECT_EQ(find(lonely, "bob").error().code, Errc::unavailable);
}

TEST_F(RegistryClientTest, OneThatSpeaksAnotherLanguageOrHangsUpIsUnavailable) {
  for (const char* const words : {"SSH-2.0-hello\r\n", "HTTP/1.1 200 OK\r\nContent-Le", ""}) {
    const auto listener = test::RawTcp::listen();
    RegistryClient strange(loop,
                           {.url = {"http", "127.0.0.1", listener.port(), "/"}, .api_key = ""});
    std::optional<Error> error;
    strange.find_agent(AgentId("bob"), [&](const auto& found) {
      ASSERT_FALSE(found);
      error = found.error();
    });
    bool has_spoken = false;
    EXPECT_TRUE(loop.run_until([&] {
      if (!has_spoken)
        if (const auto visitor = listener.accept()) {
          visitor.send(words);
          has_spoken = true;
        }
      return error.has_value();
    }));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Errc::unavailable) << words;
  }
}

TEST_F(RegistryClientTest, OneThatDoesNotAnswerInTimeIsUnavailable) {
  RegistryClient hasty(loop, {.url = registry.url(), .api_key = "", .timeout = 20ms});
  registry.hold();
  EXPECT_EQ(find(hasty, "bob").error().code, Errc::unavailable);
}

TEST_F(RegistryClientTest, WhatIsAnsweredAfterItsEndGoesNowhere) {
  auto brief = std::make_unique<RegistryClient>(
      loop, RegistryClient::Options{.url = registry.url(), .api_key = ""});
  brief->find_agent(AgentId("bob"), [](const auto&) { FAIL(); });
  registry.hold();
  ASSERT_TRUE(loop.run_until([&] { return registry.held() == 1; }));
  brief.reset();
  registry.release();
  EXPECT_TRUE(find(client, "bob").error().code == Errc::internal);  // a round trip later
}

TEST_F(RegistryClientTest, TheApiMayBeBehindAPath) {
  net::Url url = registry.url();
  url.target = "/mesh/";
  RegistryClient behind(loop, {.url = url, .api_key = ""});
  (void)beat(behind);
  EXPECT_EQ(registry.requests().at(0).path, "/mesh/api/hub/heartbeat");
}

TEST(PercentEncode, KeepsOnlyWhatIsUnreserved) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b/ü?%"), "a%20b%2F%C3%BC%3F%25");
  EXPECT_EQ(percent_encode(""), "");
}

}  // namespace
}  // namespace chatixia::agent
