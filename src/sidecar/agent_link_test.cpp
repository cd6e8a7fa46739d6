#include "sidecar/agent_link.hpp"

#include <filesystem>
#include <stdlib.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/limits.hpp"
#include "protocol/ipc.hpp"

namespace chatixia::sidecar {
namespace {

using namespace std::chrono_literals;

// A sidecar's agent socket in a private folder, and agents that come and go.
class AgentLinkTest : public ::testing::Test {
 protected:
  AgentLinkTest() {
    char name[] = "/tmp/chatixia-test-XXXXXX";
    folder = ::mkdtemp(name);
    link =
        *AgentLink::listen(loop, folder + "/ipc.sock",
                           {.on_line = [this](std::string_view line) { lines.emplace_back(line); },
                            .on_oversized = [this] { ++oversized; },
                            .on_arrived = [this] { ++arrivals; },
                            .on_left = [this] { ++departures; }});
  }
  ~AgentLinkTest() override {
    link.reset();
    std::filesystem::remove_all(folder);
  }

  struct Agent {
    std::shared_ptr<net::LineConnection> connection;
    std::vector<std::string> heard;
    bool closed = false;
  };
  std::unique_ptr<Agent> connect() {
    auto agent = std::make_unique<Agent>();
    agent->connection = *net::LineConnection::connect(
        loop, folder + "/ipc.sock",
        {.line_bytes_max = limits::ipc_line_bytes_max, .queue_bytes_max = 16 << 20});
    agent->connection->start(
        {.on_line = [raw = agent.get()](std::string_view line) { raw->heard.emplace_back(line); },
         .on_closed = [raw = agent.get()](const std::string&) { raw->closed = true; }});
    return agent;
  }
  // Turns the loop until `done` holds; a test that waits longer has failed.
  void run_until(std::function<bool()> done) {
    const Instant end = net::now() + 10s;
    bool expired = false;
    std::function<void()> look;
    net::Timer poll(loop, [&] {
      expired = net::now() > end;
      if (done() || expired)
        loop.stop();
      else
        look();
    });
    look = [&] { poll.expires_after(1ms); };
    look();
    loop.run();
    EXPECT_FALSE(expired) << "waited too long";
  }

  net::Loop loop;
  std::string folder;
  std::unique_ptr<AgentLink> link;
  std::vector<std::string> lines;
  int oversized = 0, arrivals = 0, departures = 0;
};

TEST_F(AgentLinkTest, KeepsLinesForAnAgentThatIsAway) {
  link->deliver("one");
  link->deliver("two");
  auto agent = connect();
  run_until([&] { return agent->heard.size() == 2; });
  EXPECT_EQ(agent->heard, (std::vector<std::string>{"one", "two"}));

  agent->connection->close();
  run_until([&] { return departures == 1; });
  link->deliver("three");
  auto next = connect();
  run_until([&] { return next->heard.size() == 1; });
  EXPECT_EQ(next->heard[0], "three");
  EXPECT_EQ(arrivals, 2);
}

TEST_F(AgentLinkTest, TellsASecondAgentThatTheSidecarIsTaken) {
  auto first = connect();
  run_until([&] { return arrivals == 1; });
  auto second = connect();
  run_until([&] { return second->closed; });
  ASSERT_EQ(second->heard.size(), 1U);
  const auto event = protocol::ipc::parse_event(second->heard[0]);
  ASSERT_TRUE(event);
  EXPECT_EQ(std::get<protocol::ipc::ErrorEvent>(event->body).problem.code, "sidecar_busy");

  EXPECT_TRUE(first->connection->send_line("still here"));
  run_until([&] { return lines.size() == 1; });
  EXPECT_EQ(departures, 0);
}

TEST_F(AgentLinkTest, TakesAnAgentThatComesBackAtOnce) {
  for (int i = 0; i < 50; ++i) {
    auto agent = connect();
    EXPECT_TRUE(agent->connection->send_line("hello"));
    run_until([&] { return static_cast<int>(lines.size()) == i + 1; });
    EXPECT_TRUE(agent->heard.empty()) << agent->heard[0];
    agent->connection->close();  // and the next one connects before this is seen
  }
}

TEST_F(AgentLinkTest, DropsTheOldestAndCountsThemWhenNobodyReads) {
  const std::string line(1 << 20, 'x');
  for (int i = 0; i < 20; ++i) link->deliver(line);
  EXPECT_EQ(link->take_dropped(), 20 - limits::agent_backlog_bytes_max / line.size());
  EXPECT_EQ(link->take_dropped(), 0U);
}

TEST_F(AgentLinkTest, SkipsALineThatIsTooLongAndGoesOn) {
  auto agent = connect();
  run_until([&] { return arrivals == 1; });
  EXPECT_TRUE(agent->connection->send_line(std::string(limits::ipc_line_bytes_max + 1, 'x')));
  EXPECT_TRUE(agent->connection->send_line("next"));
  run_until([&] { return lines.size() == 1; });
  EXPECT_EQ(oversized, 1);
  EXPECT_EQ(lines[0], "next");
}

}  // namespace
}  // namespace chatixia::sidecar
