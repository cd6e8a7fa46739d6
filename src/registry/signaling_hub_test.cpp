#include "registry/signaling_hub.hpp"

#include <gtest/gtest.h>

#include "support/registry_fixture.hpp"

namespace chatixia::registry {
namespace {

using namespace std::chrono_literals;

class SignalingHubTest : public testing::Test {
 protected:
  SignalingHub::SessionId open(std::string peer, FakeConnection& connection) {
    return hub.open(now, PeerId(std::move(peer)), connection);
  }
  void say(SignalingHub::SessionId session, std::string_view text) {
    hub.handle_text(now, session, text);
  }
  static std::string error_code(const FakeConnection& connection) {
    const auto envelope = connection.last();
    EXPECT_EQ(envelope.at("type"), "error");
    EXPECT_EQ(envelope.at("peer_id"), "registry");
    return std::string(envelope.at("payload").at("code").as_string());
  }

  Instant now = test_start().instant;
  LocalBus bus;
  SignalingHub hub{bus};
  FakeConnection a, b;
};

TEST_F(SignalingHubTest, TellsANewcomerWhoIsThere) {
  open("a", a);
  const auto session = open("b", b);
  say(session, R"({"type":"register","peer_id":"b","payload":{}})");
  ASSERT_EQ(b.sent.size(), 1U);
  EXPECT_EQ(b.sent[0], R"({"type":"peer_list","peer_id":"registry","payload":{"peers":["a"]}})");
  EXPECT_TRUE(a.sent.empty());
}

TEST_F(SignalingHubTest, TellsTheFirstPeerThatItIsAlone) {
  say(open("a", a), R"({"type":"register","peer_id":"a"})");
  EXPECT_EQ(a.last().at("payload").at("peers").as_array().size(), 0U);
}

TEST_F(SignalingHubTest, RelaysUnread) {
  const auto session = open("a", a);
  open("b", b);
  for (
      const std::string_view text :
      {R"({"type":"offer","peer_id":"a","target_id":"b","payload":{"sdp":"v=0\r\n", "new": 1}})",
       R"({"type":"answer", "peer_id":"a","target_id":"b","payload":{"sdp":"v=0\r\n"}})",
       R"({"type":"ice_candidate","peer_id":"a","target_id":"b","payload":{"candidate":"","sdpMid":null},"more":[]})"}) {
    say(session, text);
    ASSERT_FALSE(b.sent.empty());
    EXPECT_EQ(b.sent.back(), text);
  }
  EXPECT_TRUE(a.sent.empty());
}

TEST_F(SignalingHubTest, TellsTheSenderThatTheTargetIsUnknown) {
  const auto session = open("a", a);
  say(session, R"({"type":"offer","peer_id":"a","target_id":"b","payload":{"sdp":"x"}})");
  EXPECT_EQ(error_code(a), "unknown_peer");
  EXPECT_EQ(a.last().at("payload").at("target_id"), "b");
}

TEST_F(SignalingHubTest, TellsTheSenderThatTheTargetTakesNoMore) {
  const auto session = open("a", a);
  open("b", b);
  b.is_full = true;
  say(session, R"({"type":"offer","peer_id":"a","target_id":"b","payload":{"sdp":"x"}})");
  EXPECT_EQ(error_code(a), "unknown_peer");
}

TEST_F(SignalingHubTest, DropsWhatIsSaidInAnothersName) {
  const auto session = open("a", a);
  open("b", b);
  say(session, R"({"type":"offer","peer_id":"c","target_id":"b","payload":{"sdp":"x"}})");
  EXPECT_TRUE(b.sent.empty());
  EXPECT_EQ(error_code(a), "forbidden");
  say(session, R"({"type":"register","peer_id":"b"})");
  EXPECT_EQ(error_code(a), "forbidden");
}

TEST_F(SignalingHubTest, RefusesWhatItDoesNotKnow) {
  const auto session = open("a", a);
  open("b", b);
  say(session, R"({"type":"shout","peer_id":"a","target_id":"b","payload":{}})");
  EXPECT_EQ(error_code(a), "unknown_command");
  say(session, R"({"type":"peer_list","peer_id":"a","target_id":"b","payload":{"peers":[]}})");
  EXPECT_EQ(error_code(a), "unknown_command");
  for (const std::string_view text : {"", "{", "[]", "{}", R"({"type":"offer","peer_id":"a"})",
                                      R"({"type":"offer","peer_id":"a","target_id":"a"})"}) {
    a.sent.clear();
    say(session, text);
    ASSERT_EQ(a.sent.size(), 1U) << text;
    EXPECT_NE(error_code(a), "unknown_peer") << text;
  }
  EXPECT_TRUE(b.sent.empty());
}

TEST_F(SignalingHubTest, GivesHeartbeatsNoAnswer) {
  say(open("a", a), R"({"type":"heartbeat","peer_id":"a","payload":{}})");
  EXPECT_TRUE(a.sent.empty());
}

TEST_F(SignalingHubTest, ReplacesAnOlderConnectionAndOutlivesItsEnd) {
  const auto older = open("a", a);
  FakeConnection newer_connection;
  const auto newer = open("a", newer_connection);
  EXPECT_EQ(a.closed_with, 4001);
  EXPECT_FALSE(newer_connection.closed_with);

  // What the older one still says is not heard, and its end takes nothing with it.
  const auto other = open("b", b);
  say(older, R"({"type":"offer","peer_id":"a","target_id":"b","payload":{"sdp":"x"}})");
  EXPECT_TRUE(b.sent.empty());
  hub.handle_closed(older);
  EXPECT_TRUE(hub.is_connected(PeerId("a")));
  say(other, R"({"type":"offer","peer_id":"b","target_id":"a","payload":{"sdp":"x"}})");
  EXPECT_EQ(newer_connection.sent.size(), 1U);
  hub.handle_closed(newer);
  EXPECT_FALSE(hub.is_connected(PeerId("a")));
  EXPECT_EQ(hub.session_count(), 1U);
}

TEST_F(SignalingHubTest, ForgetsWhoLeaves) {
  const auto session = open("a", a);
  hub.handle_closed(session);
  hub.handle_closed(session);
  say(session, R"({"type":"register","peer_id":"a"})");
  EXPECT_TRUE(a.sent.empty());
  EXPECT_EQ(hub.session_count(), 0U);
}

TEST_F(SignalingHubTest, ClosesWhoTalksTooMuch) {
  const auto session = open("a", a);
  constexpr std::string_view text = R"({"type":"heartbeat","peer_id":"a"})";
  for (int i = 0; i < 1000; ++i) say(session, text);
  EXPECT_FALSE(a.closed_with);
  now += 1s;
  for (int i = 0; i < 200; ++i) say(session, text);
  EXPECT_FALSE(a.closed_with);
  say(session, text);
  EXPECT_EQ(a.closed_with, 1008);
  say(session, R"({"type":"register","peer_id":"a"})");
  EXPECT_TRUE(a.sent.empty());
}

TEST_F(SignalingHubTest, ShowsEachReportedLinkOnce) {
  const auto session_a = open("a", a);
  const auto session_b = open("b", b);
  say(session_a,
      R"({"type":"links","peer_id":"a","payload":{"links":[{"peer_id":"b","path":"direct"},{"peer_id":"c","path":"relay"}]}})");
  say(session_b,
      R"({"type":"links","peer_id":"b","payload":{"links":[{"peer_id":"a","path":"direct"}]}})");
  const auto edges = hub.edges();
  ASSERT_EQ(edges.size(), 2U);
  EXPECT_EQ(edges[0], (SignalingHub::Edge{PeerId("a"), PeerId("b"), "direct"}));
  EXPECT_EQ(edges[1], (SignalingHub::Edge{PeerId("a"), PeerId("c"), "relay"}));
  hub.handle_closed(session_a);
  EXPECT_EQ(hub.edges().size(), 1U);
  say(session_b, R"({"type":"links","peer_id":"b","payload":{"links":[]}})");
  EXPECT_TRUE(hub.edges().empty());
}

TEST_F(SignalingHubTest, SpeaksOfComingAndGoing) {
  std::vector<std::string> events;
  bus.subscribe(
      [&](const Event& event) { events.push_back(std::string(event.type) + " " + event.subject); });
  hub.handle_closed(open("a", a));
  EXPECT_EQ(events, (std::vector<std::string>{"peer_connected a", "peer_disconnected a"}));
}

}  // namespace
}  // namespace chatixia::registry
