#include "agent/sidecar_process.hpp"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "agent/errc.hpp"
#include "support/programs.hpp"
#include "support/temp_dir.hpp"
#include "support/test_loop.hpp"

namespace chatixia::agent {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class SidecarProcessTest : public testing::Test {
 protected:
  SidecarProcess start(const std::string& script,
                       const std::map<std::string, std::string>& environment = {}) {
    const std::string name = dir.path("program" + std::to_string(++programs));
    auto process = SidecarProcess::start(test::make_script(name, script), environment);
    EXPECT_TRUE(process) << process.error().message();
    return std::move(*process);
  }
  // How a process ended.
  std::string wait(SidecarProcess& process) {
    std::optional<std::string> end;
    EXPECT_TRUE(loop.run_until([&] { return (end = process.poll_exit()).has_value(); }));
    return end.value_or("it did not end");
  }
  void wait_for_file(const std::string& name) {
    ASSERT_TRUE(loop.run_until([&] { return !test::read_file(dir.path(name)).empty(); })) << name;
  }
  std::string path(const std::string& name) const { return dir.path(name); }

  int programs = 0;
  test::TempDir dir;
  test::TestLoop loop;
};

TEST_F(SidecarProcessTest, RunsInOurEnvironmentWithItsOwnVariablesOverIt) {
  ::setenv("CHATIXIA_TEST_KEPT", "kept", 1);
  ::setenv("CHATIXIA_TEST_CHANGED", "old", 1);
  auto process =
      start("echo $CHATIXIA_TEST_KEPT $CHATIXIA_TEST_CHANGED $CHATIXIA_TEST_NEW > " + path("said"),
            {{"CHATIXIA_TEST_CHANGED", "new"}, {"CHATIXIA_TEST_NEW", "a=b"}});
  EXPECT_EQ(wait(process), "it ended with exit code 0");
  EXPECT_EQ(test::read_file(path("said")), "kept new a=b\n");
  ::unsetenv("CHATIXIA_TEST_KEPT");
  ::unsetenv("CHATIXIA_TEST_CHANGED");
}

TEST_F(SidecarProcessTest, HasNoInput) {
  auto process = start("if read line; then exit 1; fi; exit 0");
  EXPECT_EQ(wait(process), "it ended with exit code 0");
}

TEST_F(SidecarProcessTest, IsEndedBySignalsEvenIfWeBlockOrIgnoreThem) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto handler = std::signal(SIGHUP, SIG_IGN);
  auto one = start("kill -TERM $$; exit 0");
  auto two = start("kill -HUP $$; exit 0");
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::signal(SIGHUP, handler);
  EXPECT_EQ(wait(one), "it was ended by signal 15");
  EXPECT_EQ(wait(two), "it was ended by signal 1");
}

TEST_F(SidecarProcessTest, TellsHowItEndedAsOftenAsItIsAsked) {
  auto process = start("exit 3");
  EXPECT_EQ(wait(process), "it ended with exit code 3");
  EXPECT_EQ(process.poll_exit(), "it ended with exit code 3");
  EXPECT_EQ(process.pid(), 0);
  process.stop();
}

TEST_F(SidecarProcessTest, IsAskedToEnd) {
  auto process = start("trap 'echo bye > " + path("bye") + "; exit 0' TERM; echo up > " +
                       path("up") + "; while :; do sleep 0.01; done");
  wait_for_file("up");
  EXPECT_EQ(process.poll_exit(), std::nullopt);
  process.stop();
  EXPECT_EQ(process.poll_exit(), "it ended with exit code 0");
  EXPECT_EQ(test::read_file(path("bye")), "bye\n");
}

TEST_F(SidecarProcessTest, IsEndedWhenItDoesNotListen) {
  auto process = start("trap '' TERM; echo up > " + path("up") + "; while :; do sleep 0.01; done");
  wait_for_file("up");
  process.stop(20ms);
  EXPECT_EQ(process.poll_exit(), "it was ended by signal 9");
}

TEST_F(SidecarProcessTest, EndsWithItsOwner) {
  pid_t first = 0;
  pid_t second = 0;
  {
    auto process = start("exec sleep 1000");
    first = process.pid();
    auto moved = std::move(process);
    EXPECT_EQ(moved.pid(), first);
    EXPECT_EQ(::kill(first, 0), 0);
    moved = start("exec sleep 1000");
    EXPECT_EQ(::kill(first, 0), -1) << "what was replaced is gone";
    second = moved.pid();
  }
  EXPECT_EQ(::kill(second, 0), -1);
}

TEST_F(SidecarProcessTest, WhatCannotBeStartedIsNamedWithTheReason) {
  std::ofstream(path("text")) << "no program";
  for (const auto& [name, reason] : {std::pair("missing", "No such file or directory"),
                                     std::pair("text", "Permission denied")}) {
    const auto process = SidecarProcess::start(path(name), {});
    ASSERT_FALSE(process);
    EXPECT_EQ(process.error().code, Errc::sidecar_failed);
    EXPECT_THAT(process.error().context, HasSubstr(path(name)));
    EXPECT_THAT(process.error().context, HasSubstr(reason));
  }
}

class FindSidecar : public SidecarProcessTest {
 protected:
  Result<std::string> find(const std::string& configured,
                           std::map<std::string, std::string> variables) {
    return find_sidecar(configured, [&](const std::string& name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
  }
  std::string program(const std::string& folder, const std::string& name) {
    std::filesystem::create_directories(path(folder));
    return test::make_script(path(folder + "/" + name), "exit 0");
  }
};

TEST_F(FindSidecar, TheConfiguredPathIsFirstThenTheVariableThenPath) {
  const std::string one = program("one", "mine");
  const std::string two = program("two", "yours");
  const std::string three = program("three", "chatixia-sidecar");
  const std::map<std::string, std::string> variables = {
      {"SIDECAR_BINARY", two}, {"PATH", path("empty") + "::" + path("three")}};
  EXPECT_EQ(find(one, variables), one);
  EXPECT_EQ(find("", variables), two);
  EXPECT_EQ(find("", {{"PATH", path("one") + "::" + path("three")}}), three);
  EXPECT_EQ(find("", {{"SIDECAR_BINARY", ""}, {"PATH", path("three")}}), three);
}

TEST_F(FindSidecar, APathThatIsNamedAndCannotBeRunIsAnError) {
  (void)program("good", "chatixia-sidecar");
  std::ofstream(path("text")) << "no program";
  for (const std::string& name : {path("missing"), path("text"), path("good")}) {
    const auto configured = find(name, {{"PATH", path("good")}});
    ASSERT_FALSE(configured);
    EXPECT_EQ(configured.error().code, Errc::sidecar_not_found);
    EXPECT_THAT(configured.error().context, HasSubstr(name));
    EXPECT_FALSE(find("", {{"SIDECAR_BINARY", name}, {"PATH", path("good")}}));
  }
}

TEST_F(FindSidecar, WithoutAnyTheErrorSaysWhatToDo) {
  for (const std::string& where : {std::string(), path("empty"), std::string(":::")}) {
    const auto found = find("", {{"PATH", where}});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::sidecar_not_found);
    EXPECT_THAT(found.error().context, HasSubstr("SIDECAR_BINARY"));
  }
  EXPECT_FALSE(find("", {}));
}

}  // namespace
}  // namespace chatixia::agent
