#include "registry/directory.hpp"

#include <gtest/gtest.h>

#include "registry/errc.hpp"
#include "support/registry_fixture.hpp"

namespace chatixia::registry {
namespace {

using namespace std::chrono_literals;
namespace api = protocol::api;

class DirectoryTest : public testing::Test {
 protected:
  api::AgentRegistration registration(std::string id, std::vector<std::string> skills = {}) {
    api::AgentRegistration agent{.agent_id = id, .hostname = "host"};
    agent.sidecar_peer_id = id + "-sidecar";
    agent.capabilities["skills"] = json::Array(skills.begin(), skills.end());
    return agent;
  }
  std::error_code put(const Principal& principal, api::AgentRegistration agent) {
    Outcome outcome;
    directory.register_agent(now, principal, std::move(agent), outcome.done());
    EXPECT_NE(outcome.ok(), static_cast<bool>(outcome.code()));
    return outcome.code();
  }
  std::error_code beat(const Principal& principal, api::Heartbeat heartbeat) {
    Outcome outcome;
    directory.heartbeat(now, principal, std::move(heartbeat), outcome.done());
    return outcome.code();
  }
  std::error_code remove(const Principal& principal, std::string id) {
    Outcome outcome;
    directory.remove(principal, AgentId(std::move(id)), outcome.done());
    return outcome.code();
  }
  api::AgentRecord record(std::string id) {
    return directory.find(now.instant, AgentId(std::move(id))).value();
  }
  std::string route(std::string_view skill) {
    const auto found = directory.route(now.instant, skill);
    return found ? found->agent_id : "";
  }

  Moment now = test_start();
  MemoryStore store;
  LocalBus bus;
  std::set<PeerId> credentials;
  Directory directory{store, bus,
                      [this](const PeerId& peer) { return credentials.contains(peer); }};
};

TEST_F(DirectoryTest, ShowsWhatWasRegistered) {
  EXPECT_FALSE(put(as_agent("bot-1-sidecar"), registration("bot-1", {"sum"})));
  const auto found = record("bot-1");
  EXPECT_EQ(found.hostname, "host");
  EXPECT_EQ(found.port, 8000);
  EXPECT_EQ(found.skills(), std::vector<std::string>{"sum"});
  EXPECT_EQ(found.registered_at, "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(found.health, "active");
  EXPECT_FALSE(directory.find(now.instant, AgentId("bot-2")));
}

TEST_F(DirectoryTest, AgesAnAgentThatIsSilent) {
  EXPECT_FALSE(put(as_agent("p"), registration("bot-1")));
  const Moment start = now;
  now = after(start, 90s - 1ns);
  EXPECT_EQ(record("bot-1").health, "active");
  now = after(start, 90s);
  EXPECT_EQ(record("bot-1").health, "stale");
  now = after(start, 270s - 1ns);
  EXPECT_EQ(record("bot-1").health, "stale");
  now = after(start, 270s);
  EXPECT_EQ(record("bot-1").health, "offline");
  EXPECT_FALSE(beat(as_agent("p"), {.agent_id = "bot-1"}));
  EXPECT_EQ(record("bot-1").health, "active");
}

TEST_F(DirectoryTest, IgnoresASteppedClock) {
  EXPECT_FALSE(put(as_agent("p"), registration("bot-1")));
  now.wall += std::chrono::hours(24 * 365);
  EXPECT_EQ(record("bot-1").health, "active");
}

TEST_F(DirectoryTest, HeartbeatRegistersAndChangesOnlyWhatItSays) {
  EXPECT_FALSE(beat(as_agent("p"), {.agent_id = "bot-1",
                                    .hostname = "host",
                                    .skill_names = std::vector<std::string>{"sum"},
                                    .sidecar_peer_id = "bot-1-sidecar"}));
  now = after(now, 10s);
  EXPECT_FALSE(beat(as_agent("p"), {.agent_id = "bot-1", .status = "busy", .sidecar_peer_id = ""}));
  const auto found = record("bot-1");
  EXPECT_EQ(found.hostname, "host");
  EXPECT_EQ(found.status, "busy");
  EXPECT_EQ(found.sidecar_peer_id, "bot-1-sidecar");
  EXPECT_EQ(found.skills(), std::vector<std::string>{"sum"});
  EXPECT_EQ(found.registered_at, "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(found.last_heartbeat, "2027-01-15T08:00:10.000Z");
}

TEST_F(DirectoryTest, BindsAnAgentToTheCredentialThatCameFirst) {
  EXPECT_FALSE(put(as_agent("p1"), registration("bot-1")));
  EXPECT_FALSE(put(as_agent("p1"), registration("bot-1")));
  EXPECT_EQ(put(as_agent("p2"), registration("bot-1")), Errc::forbidden);
  EXPECT_EQ(beat(as_agent("p2"), {.agent_id = "bot-1"}), Errc::forbidden);
  EXPECT_EQ(remove(as_agent("p2"), "bot-1"), Errc::forbidden);
  EXPECT_FALSE(put(as_admin(), registration("bot-1")));
  EXPECT_EQ(put(as_agent("p2"), registration("bot-1")), Errc::forbidden);
  EXPECT_FALSE(remove(as_agent("p1"), "bot-1"));
  EXPECT_FALSE(put(as_agent("p2"), registration("bot-1")));
}

TEST_F(DirectoryTest, HandsWhatAnAdminRegistersToTheSidecar) {
  EXPECT_FALSE(put(as_admin(), registration("bot-1")));
  EXPECT_EQ(beat(as_agent("p2"), {.agent_id = "bot-1"}), Errc::forbidden);
  EXPECT_FALSE(beat(as_agent("bot-1-sidecar"), {.agent_id = "bot-1"}));
}

TEST_F(DirectoryTest, LetsNobodyClaimTheSidecarOfAnother) {
  credentials.insert(PeerId("victim"));
  auto thief = registration("bot-1");
  thief.sidecar_peer_id = "victim";
  EXPECT_EQ(put(as_agent("p1"), thief), Errc::forbidden);
  EXPECT_EQ(beat(as_agent("p1"), {.agent_id = "bot-1", .sidecar_peer_id = "victim"}),
            Errc::forbidden);
  EXPECT_FALSE(put(as_agent("victim"), thief));

  // Nor one that is connected, nor one that another credential's agent already named.
  FakeConnection connection;
  bus.attach(PeerId("connected"), connection);
  thief.agent_id = "bot-2";
  thief.sidecar_peer_id = "connected";
  EXPECT_EQ(put(as_agent("p1"), thief), Errc::forbidden);
  EXPECT_FALSE(put(as_agent("p3"), registration("bot-3")));
  thief.sidecar_peer_id = "bot-3-sidecar";
  EXPECT_EQ(put(as_agent("p1"), thief), Errc::forbidden);
}

TEST_F(DirectoryTest, RefusesWhatIsNoAgent) {
  EXPECT_EQ(put(as_agent("p"), registration("")), Errc::invalid);
  EXPECT_EQ(put(as_agent("p"), registration("a\x1b[31m")), Errc::invalid);
  auto agent = registration("bot-1");
  agent.capabilities["notes"] = std::string(70'000, 'x');
  EXPECT_EQ(put(as_agent("p"), agent), Errc::invalid);
  agent = registration("bot-1");
  agent.sidecar_peer_id = "a\nb";
  EXPECT_EQ(put(as_agent("p"), agent), Errc::invalid);
  EXPECT_TRUE(directory.list(now.instant).empty());
}

TEST_F(DirectoryTest, RemovesForOwnersOperatorsAndAdmins) {
  EXPECT_EQ(remove(as_admin(), "bot-1"), Errc::not_found);
  EXPECT_FALSE(put(as_agent("p"), registration("bot-1")));
  EXPECT_FALSE(remove({.peer = PeerId("op"), .role = Role::operator_}, "bot-1"));
  EXPECT_TRUE(directory.list(now.instant).empty());
}

TEST_F(DirectoryTest, RoutesToWhoeverCan) {
  EXPECT_EQ(route("sum"), "");
  EXPECT_FALSE(put(as_agent("p1"), registration("bot-1", {"sum"})));
  EXPECT_FALSE(put(as_agent("p2"), registration("bot-2", {"draw"})));
  EXPECT_EQ(route("sum"), "bot-1");
  EXPECT_EQ(route("draw"), "bot-2");
  EXPECT_EQ(route("su"), "");
  now = after(now, 270s);
  EXPECT_EQ(route("sum"), "");
}

TEST_F(DirectoryTest, RoutesToActiveBeforeStaleAndConnectedBeforeNot) {
  EXPECT_FALSE(put(as_agent("p1"), registration("bot-1", {"sum"})));
  FakeConnection connection;
  bus.attach(PeerId("bot-1-sidecar"), connection);
  now = after(now, 100s);
  EXPECT_FALSE(put(as_agent("p2"), registration("bot-2", {"sum"})));
  EXPECT_EQ(route("sum"), "bot-2");
  EXPECT_EQ(route("sum"), "bot-2");
  EXPECT_FALSE(beat(as_agent("p1"), {.agent_id = "bot-1"}));
  EXPECT_EQ(route("sum"), "bot-1");
  EXPECT_EQ(route("sum"), "bot-1");
}

TEST_F(DirectoryTest, TakesTurnsAmongEquals) {
  for (const std::string id : {"bot-1", "bot-2", "bot-3"})
    EXPECT_FALSE(put(as_agent(id), registration(id, {"sum"})));
  std::set<std::string> first;
  for (int i = 0; i < 3; ++i) first.insert(route("sum"));
  EXPECT_EQ(first.size(), 3U);
  directory.note_turn(AgentId("bot-1"));
  EXPECT_NE(route("sum"), "bot-1");
}

TEST_F(DirectoryTest, SpeaksOfNewAndRemovedAgentsOnce) {
  std::vector<std::string> events;
  bus.subscribe(
      [&](const Event& event) { events.push_back(std::string(event.type) + " " + event.subject); });
  EXPECT_FALSE(put(as_agent("p"), registration("bot-1")));
  EXPECT_FALSE(put(as_agent("p"), registration("bot-1")));
  EXPECT_FALSE(remove(as_agent("p"), "bot-1"));
  EXPECT_EQ(events, (std::vector<std::string>{"agent_registered bot-1", "agent_removed bot-1"}));
}

}  // namespace
}  // namespace chatixia::registry
