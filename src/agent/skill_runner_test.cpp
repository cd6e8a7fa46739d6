#include "agent/skill_runner.hpp"

#include <latch>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/test_loop.hpp"

namespace chatixia::agent {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

class SkillRunnerTest : public testing::Test {
 protected:
  SkillRunnerTest() {
    add("echo",
        [](const json::Object& args, SkillContext&) -> Result<json::Value> { return args; });
    add("block", [this](const json::Object&, SkillContext& context) -> Result<json::Value> {
      ++begun;
      go.wait();
      seen_cancelled = context.cancelled();
      return "unblocked";
    });
  }
  void TearDown() override {
    open_gate();
    runner.join();
    settle();
  }

  void add(const std::string& name, SkillFunction function) {
    runner.add({.name = name, .description = "", .function = std::move(function)});
  }
  // Lets every skill that blocks go on.
  void open_gate() {
    if (!std::exchange(is_open, true)) go.count_down();
  }
  // What was posted until now has run.
  void settle() {
    bool done = false;
    loop.post([&] { done = true; });
    ASSERT_TRUE(loop.run_until([&] { return done; }));
  }
  void run(const std::string& name, const std::string& skill, Instant deadline = never,
           json::Object args = {}) {
    run({.skill = skill, .args = std::move(args), .deadline = deadline}, name);
  }
  void run(SkillRun::Call call, const std::string& name) {
    runner.run(std::move(call), [this, name](const Result<json::Value>& result) {
      outcomes.push_back(
          name + " " +
          (result ? json::encode(*result) : std::string(protocol_code(result.error()))));
    });
  }
  void run_until_outcomes(std::size_t count) {
    ASSERT_TRUE(loop.run_until([&] { return outcomes.size() >= count; }));
  }
  void run_until_begun(int count) {
    ASSERT_TRUE(loop.run_until([&] { return begun == count; }));
  }

  test::TestLoop loop;
  std::latch go{1};
  bool is_open = false;
  std::atomic<int> begun = 0;
  std::atomic<bool> seen_cancelled = false;
  std::vector<std::string> outcomes;
  SkillRunner runner{loop, {.workers = 2, .calls_max = 3}};
};

TEST_F(SkillRunnerTest, AnswersWithWhatTheSkillReturned) {
  run("a", "echo", never, {{"n", 1}});
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre(R"(a {"n":1})"));
}

TEST_F(SkillRunnerTest, KnowsItsSkillsByName) {
  runner.add({.name = "echo", .description = "the second one", .function = {}});
  EXPECT_EQ(runner.find("echo")->description, "the second one");
  EXPECT_EQ(runner.find("fly"), nullptr);
  EXPECT_THAT(runner.names(), ElementsAre("block", "echo"));
}

TEST_F(SkillRunnerTest, AnErrorOfTheSkillStaysWhatItIs) {
  add("refuse", [](const json::Object&, SkillContext&) -> Result<json::Value> {
    return fail(Errc::forbidden, "not for you");
  });
  run("a", "refuse");
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("a forbidden"));
}

TEST_F(SkillRunnerTest, WhateverASkillThrowsIsAnErrorOfItsCallAlone) {
  add("throw", [](const json::Object&, SkillContext&) -> Result<json::Value> {
    throw std::runtime_error("no luck");
  });
  add("throw_int", [](const json::Object&, SkillContext&) -> Result<json::Value> { throw 7; });
  std::string why;
  runner.run({.skill = "throw", .args = {}}, [&](const Result<json::Value>& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::skill_failed);
    why = result.error().context;
  });
  run("b", "throw_int");
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("b skill_failed"));
  ASSERT_TRUE(loop.run_until([&] { return !why.empty(); }));
  EXPECT_EQ(why, "no luck");
  run("c", "echo");
  run_until_outcomes(2);
}

TEST_F(SkillRunnerTest, ASkillThatIsNotThereIsNamed) {
  runner.run({.skill = "fly", .args = {}}, [&](const Result<json::Value>& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::unknown_skill);
    outcomes.push_back(result.error().context);
  });
  EXPECT_THAT(outcomes, ElementsAre("no skill \"fly\""));
}

TEST_F(SkillRunnerTest, RefusesAtOnceWhatItHasNoRoomFor) {
  for (const char* const name : {"a", "b", "c"}) {
    EXPECT_TRUE(runner.has_room());
    run(name, "block");
  }
  EXPECT_FALSE(runner.has_room());
  run("d", "echo");
  EXPECT_THAT(outcomes, ElementsAre("d too_many_requests"));
  open_gate();
  run_until_outcomes(4);
  EXPECT_TRUE(runner.has_room());
  run("e", "echo");
  run_until_outcomes(5);
  EXPECT_EQ(outcomes.back(), "e {}");
}

TEST_F(SkillRunnerTest, TheDeadlineIsKeptEvenIfTheSkillIsNot) {
  run("a", "block", net::now() + 20ms);
  run_until_begun(1);
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("a deadline_exceeded"));
  open_gate();
  runner.join();
  settle();
  EXPECT_TRUE(seen_cancelled);
  EXPECT_EQ(outcomes.size(), 1u) << "the late answer is dropped";
}

TEST_F(SkillRunnerTest, ACallWhoseDeadlinePassedWhileItWaitedIsNotBegun) {
  run("a", "block");
  run("b", "block");
  run_until_begun(2);
  run("c", "block", net::now() + 5ms);
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("c deadline_exceeded"));
  open_gate();
  run_until_outcomes(3);
  runner.join();
  EXPECT_EQ(begun, 2);
}

TEST_F(SkillRunnerTest, CancellingAnswersForEverythingAtOnce) {
  run("a", "block");
  run("b", "block");
  run_until_begun(2);
  run("c", "block");
  runner.cancel_all();
  EXPECT_THAT(outcomes,
              testing::UnorderedElementsAre("a unavailable", "b unavailable", "c unavailable"));
  run("d", "echo");
  EXPECT_EQ(outcomes.back(), "d unavailable");
  open_gate();
  runner.join();
  settle();
  EXPECT_TRUE(seen_cancelled);
  EXPECT_EQ(begun, 2);
  EXPECT_EQ(outcomes.size(), 4u);
}

TEST_F(SkillRunnerTest, ASkillKnowsWhoAsksAndUntilWhen) {
  const Instant deadline = net::now() + 1h;
  add("who", [deadline](const json::Object&, SkillContext& context) -> Result<json::Value> {
    EXPECT_EQ(context.deadline(), deadline);
    EXPECT_FALSE(context.cancelled());
    return json::Array{context.caller().value(), context.caller_agent()};
  });
  run({.skill = "who",
       .args = {},
       .caller = PeerId("bob-sidecar"),
       .caller_agent = "bob",
       .deadline = deadline},
      "a");
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre(R"(a ["bob-sidecar","bob"])"));
}

// Emits until it is told to stop, and answers how often it was not.
class StreamTest : public SkillRunnerTest {
 protected:
  StreamTest() {
    add("stream", [this](const json::Object&, SkillContext& context) -> Result<json::Value> {
      int count = 0;
      for (; count < count_max && context.emit(std::to_string(count)); ++count) continue;
      stopped_early = context.cancelled();
      return count;
    });
  }
  void stream(SkillRun::OnChunk on_chunk, Instant deadline = never) {
    run({.skill = "stream", .args = {}, .deadline = deadline, .on_chunk = std::move(on_chunk)},
        "stream");
  }

  std::atomic<int> count_max = 20;
  std::atomic<bool> stopped_early = false;
};

TEST_F(StreamTest, ChunksComeInTheirOrderAndAheadOfTheAnswer) {
  count_max = 3;
  stream([this](const std::string& text, const SkillRun::Written& written) {
    outcomes.push_back(text);
    written(true);
  });
  run_until_outcomes(4);
  EXPECT_THAT(outcomes, ElementsAre("0", "1", "2", "stream 3"));
}

TEST_F(StreamTest, WaitsWhileTheLinkIsBehind) {
  constexpr std::size_t on_the_way_max = 16;
  std::vector<SkillRun::Written> taken;
  stream([&](const std::string&, const SkillRun::Written& written) { taken.push_back(written); });
  ASSERT_TRUE(loop.run_until([&] { return taken.size() == on_the_way_max; }));
  loop.run_for(5ms);
  EXPECT_EQ(taken.size(), on_the_way_max);
  for (const auto& written : std::exchange(taken, {})) written(true);
  ASSERT_TRUE(loop.run_until([&] { return taken.size() == 4; }));
  for (const auto& written : taken) written(true);
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("stream 20"));
}

TEST_F(StreamTest, AWaitEndsWithTheDeadline) {
  stream([](const std::string&, const SkillRun::Written&) {}, net::now() + 20ms);
  run_until_outcomes(1);
  runner.join();
  EXPECT_THAT(outcomes, ElementsAre("stream deadline_exceeded"));
  EXPECT_TRUE(stopped_early);
}

TEST_F(StreamTest, AWaitEndsWhenEverythingIsCancelled) {
  int chunks = 0;
  stream([&](const std::string&, const SkillRun::Written&) { ++chunks; });
  ASSERT_TRUE(loop.run_until([&] { return chunks == 16; }));
  runner.cancel_all();
  runner.join();
  EXPECT_TRUE(stopped_early);
}

TEST_F(StreamTest, EndsWhenAChunkIsLost) {
  count_max = 1'000'000;
  stream([](const std::string& text, const SkillRun::Written& written) { written(text != "2"); });
  run_until_outcomes(1);
  EXPECT_TRUE(stopped_early);
}

TEST_F(StreamTest, WhereNobodyListensChunksGoNowhere) {
  stream({});
  run_until_outcomes(1);
  EXPECT_THAT(outcomes, ElementsAre("stream 20"));
  EXPECT_FALSE(stopped_early);
}

}  // namespace
}  // namespace chatixia::agent
