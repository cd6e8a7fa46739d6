#include "agent/sidecar_link.hpp"

#include <algorithm>
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_sidecar.hpp"
#include "support/programs.hpp"
#include "support/temp_dir.hpp"
#include "support/test_loop.hpp"

namespace chatixia::agent {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// The program that is started is a script; who listens at the socket is the test.
class SidecarLinkTest : public testing::Test {
 protected:
  SidecarLink::Options options(const std::string& script = "") const {
    SidecarLink::Options options{.socket = socket,
                                 .program = {},
                                 .environment = {{"STARTS", dir.path("starts")}},
                                 .patience = 10s,
                                 .retry_min = 2ms,
                                 .retry_max = 4ms};
    if (!script.empty())
      options.program = test::make_script(dir.path("program"), "echo $$ >> $STARTS\n" + script);
    return options;
  }
  void open(SidecarLink::Options given) {
    link.emplace(loop, std::move(given),
                 SidecarLink::Handlers{
                     .on_connection =
                         [this](auto made) {
                           connection = std::move(made);
                           ++connections;
                           connection->start({.on_closed = [this](const std::string&) {
                             connection.reset();
                             link->reopen();
                           }});
                         },
                     .on_failed = [this](const Error& error) { failures.push_back(error); }});
    link->open();
  }
  void listen() { sidecar.emplace(loop, socket); }
  // The process ids of the children, in the order of their starts.
  std::vector<pid_t> starts() const {
    std::istringstream text(test::read_file(dir.path("starts")));
    return {std::istream_iterator<pid_t>(text), {}};
  }
  void run_until_connected(int times) {
    ASSERT_TRUE(loop.run_until([&] { return connections >= times; }));
  }

  test::TempDir dir;
  std::string socket = dir.path("s.sock");
  test::TestLoop loop;
  std::optional<test::FakeSidecar> sidecar;
  std::shared_ptr<net::LineConnection> connection;
  int connections = 0;
  std::vector<Error> failures;
  std::optional<SidecarLink> link;
};

TEST_F(SidecarLinkTest, ConnectsToASidecarThatRuns) {
  listen();
  open(options());
  EXPECT_EQ(connections, 1);
  EXPECT_TRUE(failures.empty());
}

TEST_F(SidecarLinkTest, WaitsForOneThatStartsLater) {
  open(options());
  loop.run_for(5ms);
  EXPECT_EQ(connections, 0);
  listen();
  run_until_connected(1);
  EXPECT_TRUE(failures.empty());
}

TEST_F(SidecarLinkTest, StartsItsOwnAndEndsIt) {
  listen();
  open(options("exec sleep 1000"));
  run_until_connected(1);
  ASSERT_TRUE(loop.run_until([&] { return starts().size() == 1; }));
  EXPECT_EQ(::kill(starts()[0], 0), 0);
  link->close();
  EXPECT_EQ(::kill(starts()[0], 0), -1);
}

TEST_F(SidecarLinkTest, OneThatNeverListensIsReportedWithItsSocketAndLookedAtAgain) {
  auto hasty = options("exec sleep 1000");
  hasty.patience = 1ms;
  open(hasty);
  ASSERT_TRUE(loop.run_until([&] { return failures.size() >= 2 && !starts().empty(); }));
  EXPECT_EQ(failures[0].code, Errc::sidecar_failed);
  EXPECT_THAT(failures[0].context, HasSubstr("nobody listens at " + socket));
  listen();
  run_until_connected(1);
  EXPECT_EQ(starts().size(), 1u) << "a child that runs is not started twice";
}

TEST_F(SidecarLinkTest, OneThatEndsAtOnceIsReportedWithItsEndAndStartedAgain) {
  open(options("exit 7"));
  ASSERT_TRUE(loop.run_until([&] { return failures.size() >= 2; }));
  EXPECT_EQ(failures[0].code, Errc::sidecar_failed);
  EXPECT_THAT(failures[0].context, HasSubstr("exit code 7"));
  EXPECT_THAT(failures[0].context, HasSubstr(dir.path("program")));
  EXPECT_GE(starts().size(), 2u);
}

TEST_F(SidecarLinkTest, OneThatIsNotThereIsReportedAndTriedAgain) {
  auto missing = options();
  missing.program = dir.path("missing");
  open(missing);
  EXPECT_EQ(failures.size(), 1u);
  EXPECT_THAT(failures[0].context, HasSubstr(dir.path("missing")));
  ASSERT_TRUE(loop.run_until([&] { return failures.size() >= 3; }));
}

TEST_F(SidecarLinkTest, ASocketThatADeadSidecarLeftIsNoSidecar) {
  {
    test::FakeSidecar dead(loop, dir.path("other.sock"));
    std::filesystem::rename(dir.path("other.sock"), socket);
  }
  auto hasty = options();
  hasty.patience = 1ms;
  open(hasty);
  ASSERT_TRUE(loop.run_until([&] { return !failures.empty(); }));
  EXPECT_EQ(connections, 0);
}

TEST_F(SidecarLinkTest, ConnectsAgainWhenTheConnectionIsLost) {
  listen();
  open(options("exec sleep 1000"));
  run_until_connected(1);
  ASSERT_TRUE(loop.run_until([&] { return sidecar->is_connected(); }));
  sidecar->hang_up();
  run_until_connected(2);
  ASSERT_TRUE(loop.run_until([&] { return !starts().empty(); }));
  EXPECT_EQ(starts().size(), 1u);
  EXPECT_TRUE(failures.empty());
}

TEST_F(SidecarLinkTest, ReplacesAChildThatDied) {
  listen();
  open(options("exec sleep 1000"));
  run_until_connected(1);
  ASSERT_TRUE(loop.run_until([&] { return sidecar->is_connected() && starts().size() == 1; }));
  ASSERT_EQ(::kill(starts()[0], SIGKILL), 0);
  sidecar->hang_up();
  ASSERT_TRUE(loop.run_until([&] {
    if (connections > 1 && sidecar->is_connected() && starts().size() < 2) sidecar->hang_up();
    return starts().size() == 2;
  }));
  EXPECT_EQ(::kill(starts()[1], 0), 0);
}

TEST_F(SidecarLinkTest, TriesNoMoreAfterItWasClosed) {
  open(options("exit 7"));
  ASSERT_TRUE(loop.run_until([&] { return !failures.empty(); }));
  link->close();
  const std::size_t count = failures.size();
  loop.run_for(20ms);
  EXPECT_EQ(failures.size(), count);
}

}  // namespace
}  // namespace chatixia::agent
