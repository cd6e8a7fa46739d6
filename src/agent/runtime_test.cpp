#include "agent/runtime.hpp"

#include <csignal>
#include <future>
#include <latch>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_registry.hpp"
#include "support/fake_sidecar.hpp"
#include "support/programs.hpp"
#include "support/temp_dir.hpp"
#include "support/test_loop.hpp"

namespace chatixia::agent {
namespace {

using namespace std::chrono_literals;
using test::FakeRegistry;
using test::FakeSidecar;
using testing::HasSubstr;
namespace ipc = protocol::ipc;

constexpr const char* registration = "POST /api/registry/agents";

// The sidecar and the registry live on the test's loop; blocking calls of the runtime are made
// from another thread meanwhile.
class RuntimeTest : public testing::Test {
 protected:
  RuntimeTest() {
    registry.answer([this](const net::HttpRequest& request) {
      if (request.path != "/api/hub/heartbeat")
        return FakeRegistry::say(R"({"message":"ok"})", status);
      return FakeRegistry::say(R"({"pending_tasks":[)" + std::exchange(tasks, "") + "]}", status);
    });
    sidecar.on_command(FakeSidecar::answer_as("alice-sidecar"));
  }
  void TearDown() override {
    if (!is_open) go.count_down();
    if (runtime) stop();
  }

  Runtime::Options options() {
    Runtime::Options options;
    options.self = AgentId("alice");
    options.registry = registry.url();
    options.api_key = "k";
    options.socket = socket;
    options.on_event = [this](const MeshClient::Event& event) {
      if (std::holds_alternative<MeshClient::Closed>(event)) ++closed;
      if (const auto* const message = std::get_if<MeshClient::MessageReceived>(&event))
        notes.push_back(message->message.type);
    };
    return options;
  }
  void make(Runtime::Options given) {
    runtime.emplace(std::move(given));
    runtime->add_skill({.name = "echo", .description = "", .function = [](const auto& args, auto&) {
                          return Result<json::Value>(args);
                        }});
    runtime->add_skill({.name = "block", .description = "", .function = [this](auto&, auto&) {
                          ++begun;
                          go.wait();
                          return Result<json::Value>("unblocked");
                        }});
  }
  // Runs `work` on another thread and the loop on this one.
  template <class Work>
  auto meanwhile(Work work) {
    auto future = std::async(std::launch::async, std::move(work));
    EXPECT_TRUE(loop.run_until([&] { return future.wait_for(0s) == std::future_status::ready; }));
    return future.get();
  }
  Result<void> start() {
    return meanwhile([this] { return runtime->start(); });
  }
  void start_well() {
    make(options());
    const auto started = start();
    ASSERT_TRUE(started) << started.error().message();
  }
  void stop() {
    meanwhile([this] {
      runtime->stop();
      return 0;
    });
  }
  void open_gate() {
    is_open = true;
    go.count_down();
  }
  std::future<Result<json::Value>> call(const Target& target, CallOptions call_options = {}) {
    return std::async(std::launch::async, [this, target, call_options] {
      return runtime->call(target, "dig", {{"depth", 3}}, call_options);
    });
  }
  Result<json::Value> outcome(std::future<Result<json::Value>>& future) {
    EXPECT_TRUE(loop.run_until([&] { return future.wait_for(0s) == std::future_status::ready; }));
    return future.get();
  }
  void run_until_sent(std::string_view type, std::size_t count = 1) {
    ASSERT_TRUE(loop.run_until([&] { return sidecar.messages(type).size() >= count; })) << type;
  }
  void ask(const std::string& skill, const std::string& id) {
    sidecar.say_from("bob-sidecar", {.type = "task_request",
                                     .request_id = id,
                                     .source_agent = "bob",
                                     .target_agent = "alice",
                                     .payload = {{"skill", skill}, {"args", {{"n", 1}}}}});
  }

  test::TempDir dir;
  std::string socket = dir.path("s.sock");
  test::TestLoop loop;
  int status = 200;   // of whatever the registry answers
  std::string tasks;  // that the next heartbeat brings
  FakeRegistry registry{loop};
  FakeSidecar sidecar{loop, socket};
  std::latch go{1};
  bool is_open = false;
  std::atomic<int> begun = 0;
  std::atomic<int> closed = 0;
  std::vector<std::string> notes;
  std::optional<Runtime> runtime;
};

TEST_F(RuntimeTest, StartReturnsWhenTheAgentCanBeReached) {
  start_well();
  EXPECT_EQ(registry.body(registration).at("sidecar_peer_id"), "alice-sidecar");
}

TEST_F(RuntimeTest, ASidecarThatDoesNotKnowItsNameYetIsAskedAgain) {
  sidecar.on_command([asked = 0](auto& s, const auto& command) mutable {
    FakeSidecar::answer_as(++asked < 3 ? "" : "alice-sidecar")(s, command);
  });
  start_well();
  EXPECT_EQ(registry.body(registration).at("sidecar_peer_id"), "alice-sidecar");
}

TEST_F(RuntimeTest, CallsAndIsAnswered) {
  start_well();
  auto future = call(PeerId("bob-sidecar"));
  run_until_sent("task_request");
  sidecar.say_from("bob-sidecar", {.type = "task_response",
                                   .request_id = sidecar.messages("task_request")[0].request_id,
                                   .payload = {{"result", "dug"}}});
  const auto result = outcome(future);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(*result, "dug");
}

TEST_F(RuntimeTest, RunsSkillsForPeers) {
  start_well();
  ask("echo", "r1");
  run_until_sent("task_response");
  EXPECT_EQ(json::encode(sidecar.messages("task_response")[0].payload), R"({"result":{"n":1}})");
}

TEST_F(RuntimeTest, RunsTasksOfTheQueue) {
  tasks = R"({"id":"t1","skill":"echo","payload":{"n":2}})";
  start_well();
  ASSERT_TRUE(loop.run_until([&] { return registry.count("POST /api/hub/tasks/t1") == 1; }));
  EXPECT_EQ(json::encode(registry.body("POST /api/hub/tasks/t1").at("result")), R"({"n":2})");
}

TEST_F(RuntimeTest, ACallWithoutADeadlineEndsAfterTheAgentsOwn) {
  auto hasty = options();
  hasty.call_timeout = 20ms;
  make(hasty);
  ASSERT_TRUE(start());
  auto future = call(PeerId("bob-sidecar"));
  EXPECT_EQ(outcome(future).error().code, Errc::deadline_exceeded);
}

TEST_F(RuntimeTest, ADeadSidecarEndsEveryCallAtOnceAndIsFoundAgain) {
  start_well();
  auto one = call(PeerId("bob-sidecar"));
  auto two = call(PeerId("carol-sidecar"));
  run_until_sent("task_request", 2);
  sidecar.hang_up();
  for (auto* const future : {&one, &two}) {
    const auto result = outcome(*future);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::sidecar_gone);
  }
  ASSERT_TRUE(loop.run_until([&] { return sidecar.connections() == 2; }));
  EXPECT_EQ(closed, 1);
  ask("echo", "r1");
  run_until_sent("task_response");
}

TEST_F(RuntimeTest, AnotherNameOfItsSidecarIsToldToTheRegistry) {
  start_well();
  sidecar.on_command(FakeSidecar::answer_as("alice-2"));
  sidecar.hang_up();
  ASSERT_TRUE(loop.run_until([&] {
    const auto said = registry.body(registration);
    return said.at("sidecar_peer_id") == "alice-2";
  }));
}

TEST_F(RuntimeTest, ARegistryThatIsBackHearsOfTheAgentAtOnce) {
  start_well();
  const int before = registry.count(registration);
  sidecar.say(ipc::encode_registry_connected(PeerId("alice-sidecar")));
  ASSERT_TRUE(loop.run_until([&] { return registry.count(registration) == before + 1; }));
  sidecar.say(ipc::encode_registry_connected(PeerId("alice-2")));
  ASSERT_TRUE(loop.run_until([&] { return registry.count(registration) == before + 2; }));
  EXPECT_EQ(registry.body(registration).at("sidecar_peer_id"), "alice-2");
}

TEST_F(RuntimeTest, MessagesOfOtherKindsAreEvents) {
  start_well();
  sidecar.say_from("bob-sidecar", {.type = "note"});
  ask("echo", "r1");
  run_until_sent("task_response");
  stop();
  EXPECT_THAT(notes, testing::ElementsAre("note"));
}

TEST_F(RuntimeTest, AWrongKeyIsAnErrorOfTheStart) {
  status = 401;
  make(options());
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::unauthorized);
}

TEST_F(RuntimeTest, ASidecarThatServesAnotherAgentIsAnErrorOfTheStart) {
  sidecar.on_command([](FakeSidecar& s, const auto&) {
    s.say(ipc::encode_error(std::nullopt, protocol::make_problem("sidecar_busy"), std::nullopt));
    s.hang_up();
  });
  make(options());
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::sidecar_busy);
}

TEST_F(RuntimeTest, ASidecarProgramThatIsNotThereIsAnErrorOfTheStart) {
  auto given = options();
  given.socket = "";
  given.sidecar_program = dir.path("missing");
  make(given);
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::sidecar_not_found);
  EXPECT_THAT(started.error().context, HasSubstr(dir.path("missing")));
}

TEST_F(RuntimeTest, ASidecarProgramThatEndsAtOnceIsAnErrorOfTheStart) {
  auto given = options();
  given.socket = "";
  given.sidecar_program = test::make_script(dir.path("program"), "exit 9");
  make(given);
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::sidecar_failed);
  EXPECT_THAT(started.error().context, HasSubstr("exit code 9"));
}

TEST_F(RuntimeTest, StoppingEndsEveryCallAndRefusesLaterOnes) {
  start_well();
  auto future = call(PeerId("bob-sidecar"));
  run_until_sent("task_request");
  stop();
  EXPECT_EQ(outcome(future).error().code, Errc::stopped);
  EXPECT_EQ(runtime->call(PeerId("bob"), "dig").error().code, Errc::stopped);
  EXPECT_EQ(runtime->delegate("dig").error().code, Errc::stopped);
  EXPECT_FALSE(runtime->with_mesh([](MeshClient&) {}));
  stop();
}

TEST_F(RuntimeTest, BeforeItsStartEveryCallIsRefused) {
  make(options());
  EXPECT_EQ(runtime->call(PeerId("bob"), "dig").error().code, Errc::stopped);
  EXPECT_FALSE(runtime->with_mesh([](MeshClient&) {}));
}

// Both are told, and have taken it, before the runtime lets go of them.
TEST_F(RuntimeTest, StoppingTellsPeersAndTheRegistryWhatBecameOfTheirTasks) {
  tasks = R"({"id":"t1","skill":"block"})";
  start_well();
  ask("block", "r1");
  ASSERT_TRUE(loop.run_until([&] { return begun == 2; }));
  auto stopped = std::async(std::launch::async, [this] { runtime->stop(); });
  run_until_sent("task_response");
  EXPECT_EQ(json::encode(sidecar.messages("task_response")[0].payload),
            R"({"error":"The agent is stopping.","code":"unavailable"})");
  ASSERT_TRUE(loop.run_until([&] { return registry.count("POST /api/hub/tasks/t1") == 1; }));
  EXPECT_EQ(registry.body("POST /api/hub/tasks/t1").at("state"), "failed");
  EXPECT_EQ(stopped.wait_for(0s), std::future_status::timeout) << "a skill runs still";
  open_gate();
  ASSERT_TRUE(loop.run_until([&] { return stopped.wait_for(0s) == std::future_status::ready; }));
}

TEST_F(RuntimeTest, AMessageThatWasSentBeforeTheEndIsTaken) {
  start_well();
  bool is_taken = false;
  ASSERT_TRUE(runtime->with_mesh([&](MeshClient& mesh) {
    mesh.send(PeerId("bob"), {.type = "note"},
              [&](const Result<void>& sent) { is_taken = sent.has_value(); });
  }));
  stop();
  EXPECT_TRUE(is_taken);
}

TEST_F(RuntimeTest, StoppingDoesNotWaitLongForASidecarThatSaysNothing) {
  auto given = options();
  given.farewell = 20ms;
  make(given);
  ASSERT_TRUE(start());
  sidecar.on_command(FakeSidecar::answer_nothing);
  ask("echo", "r1");
  run_until_sent("task_response");
  stop();
  EXPECT_EQ(sidecar.messages("task_response").size(), 1u);
}

TEST_F(RuntimeTest, ItsSidecarEndsWithIt) {
  auto given = options();
  given.socket = "";
  // It shows where the agent looks for it, and the test listens there.
  given.sidecar_program =
      test::make_script(dir.path("program"), "ln -s " + socket + " $IPC_SOCKET\necho $$ > " +
                                                 dir.path("pid") + "\nexec sleep 1000");
  ::setenv("XDG_RUNTIME_DIR", dir.path().c_str(), 1);
  std::filesystem::create_directory(dir.path("chatixia"));
  make(given);
  const auto started = start();
  ::unsetenv("XDG_RUNTIME_DIR");
  ASSERT_TRUE(started) << started.error().message();
  const pid_t pid = std::stoi(test::read_file(dir.path("pid")));
  EXPECT_EQ(::kill(pid, 0), 0);
  stop();
  EXPECT_EQ(::kill(pid, 0), -1);
}

}  // namespace
}  // namespace chatixia::agent
