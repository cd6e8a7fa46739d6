#include "sidecar/agent_link.hpp"

#include <algorithm>
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
                            .on_arrived =
                                [this] {
                                  ++arrivals;
                                  if (!welcome.empty()) link->announce(welcome);
                                },
                            .on_left = [this] { ++departures; }});
  }
  void TearDown() override {
    link.reset();
    std::filesystem::remove_all(folder);
  }

  struct Agent {
    std::shared_ptr<net::LineConnection> connection;
    std::vector<std::string> heard;
    bool closed = false;
  };
  // An agent that does not read yet.
  std::unique_ptr<Agent> connect_silent() {
    auto agent = std::make_unique<Agent>();
    agent->connection = *net::LineConnection::connect(
        loop, folder + "/ipc.sock",
        {.line_bytes_max = limits::ipc_line_bytes_max, .queue_bytes_max = 16 << 20});
    return agent;
  }
  static void listen(Agent& agent) {
    agent.connection->start(
        {.on_line = [&agent](std::string_view line) { agent.heard.emplace_back(line); },
         .on_closed = [&agent](const std::string&) { agent.closed = true; }});
  }
  std::unique_ptr<Agent> connect() {
    auto agent = connect_silent();
    listen(*agent);
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
  std::string welcome;  // what every agent is told first
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

// Numbered, and too large for many of them to fit into a socket.
std::string large_line(std::size_t number) {
  return std::to_string(number) + ' ' + std::string(100'000, 'x');
}

TEST_F(AgentLinkTest, LosesNothingOfASlowAgentWithoutCountingIt) {
  auto slow = connect_silent();
  run_until([&] { return arrivals == 1; });
  std::size_t delivered = 0;
  while (link->has_agent() && delivered < 1000) link->deliver(large_line(delivered++));
  EXPECT_EQ(departures, 1);
  listen(*slow);
  run_until([&] { return slow->closed; });

  auto next = connect();
  run_until(
      [&] { return !next->heard.empty() && next->heard.back() == large_line(delivered - 1); });
  EXPECT_EQ(slow->heard.size() + link->take_dropped() + next->heard.size(), delivered);
}

TEST_F(AgentLinkTest, HandsOnWhatAnAgentThatDiedWasNotHanded) {
  auto doomed = connect_silent();
  run_until([&] { return arrivals == 1; });
  constexpr std::size_t count = 30;
  for (std::size_t i = 0; i < count; ++i) link->deliver(large_line(i));
  doomed.reset();
  run_until([&] { return departures == 1; });

  auto next = connect();
  run_until([&] { return !next->heard.empty() && next->heard.back() == large_line(count - 1); });
  const std::size_t heard = next->heard.size();
  // All but what was in the socket when it died, and one line that was cut.
  EXPECT_GE(heard + link->take_dropped(), count - 4);
  for (std::size_t i = 0; i < heard; ++i) EXPECT_EQ(next->heard[i], large_line(count - heard + i));
}

TEST_F(AgentLinkTest, GivesAnswersOnlyToWhoAsked) {
  const std::string ok = protocol::ipc::encode_ok("1");
  auto doomed = connect_silent();
  run_until([&] { return arrivals == 1; });
  for (std::size_t i = 0; i < 30; ++i) link->deliver(large_line(i));
  link->answer(ok);
  doomed.reset();
  run_until([&] { return departures == 1; });
  link->answer(ok);
  link->deliver("an event");

  auto next = connect();
  run_until([&] { return !next->heard.empty() && next->heard.back() == "an event"; });
  EXPECT_EQ(std::ranges::count(next->heard, ok), 0);
  link->answer(ok);
  run_until([&] { return next->heard.back() == ok; });
}

TEST_F(AgentLinkTest, AnnouncesNothingTwice) {
  welcome = "welcome";
  connect_silent().reset();  // has left before it can be told anything
  run_until([&] { return departures == 1; });
  auto next = connect();
  run_until([&] { return arrivals == 2; });
  link->deliver("an event");
  run_until([&] { return !next->heard.empty() && next->heard.back() == "an event"; });
  EXPECT_EQ(next->heard, (std::vector<std::string>{"welcome", "an event"}));
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
