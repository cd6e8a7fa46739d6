#include "mesh/node.hpp"

#include <gtest/gtest.h>

#include "crypto/random.hpp"

namespace chatixia::mesh {
namespace {

using namespace std::chrono_literals;
using protocol::signaling::Envelope;
namespace type = protocol::signaling::type;

constexpr Instant start{1h};

const crypto::Certificate& certificate() {
  static const crypto::Certificate made =
      *crypto::Certificate::make(WallTime(24h * 365 * 60), 24h * 365);
  return made;
}

// A node named "m" with nobody at the other end but the test.
class NodeTest : public ::testing::Test {
 protected:
  NodeTest()
      : random(1), node({.self = PeerId("m"), .certificate = &certificate()}, random, start) {
    node.set_host_addresses(start, {*Endpoint::parse("192.0.2.1:4000")});
  }

  void sign_on(const std::vector<std::string>& peers) {
    node.handle_signaling_open(now);
    tell(type::peer_list, "registry", protocol::signaling::PeerList{peers}.encode());
  }
  void tell(std::string_view kind, std::string_view from, std::string payload) {
    Envelope envelope;
    envelope.type = kind;
    envelope.peer_id = from;
    envelope.target_id = "m";
    envelope.payload = std::move(payload);
    node.handle_signal(now, envelope);
  }
  void run_until(Instant end) {
    while (node.next_timeout() <= end) {
      now = std::max(now, node.next_timeout());
      node.handle_timeout(now);
      while (node.poll_transmit()) {
      }
    }
    now = end;
  }
  std::vector<Envelope> signals(std::string_view kind) {
    std::vector<Envelope> found;
    while (auto envelope = node.poll_signal())
      if (envelope->type == kind) found.push_back(*envelope);
    return found;
  }
  template <class Event>
  std::vector<Event> events() {
    std::vector<Event> found;
    while (auto event = node.poll_event())
      if (auto* match = std::get_if<Event>(&*event)) found.push_back(std::move(*match));
    return found;
  }
  // A real offer from another node.
  std::string offer_from(const std::string& name) {
    Node other({.self = PeerId(name), .certificate = &certificate()}, random, now);
    other.set_host_addresses(now, {*Endpoint::parse("192.0.2.2:4000")});
    other.handle_signaling_open(now);
    EXPECT_TRUE(other.connect(now, PeerId("m")));
    while (auto envelope = other.poll_signal())
      if (envelope->type == type::offer) return envelope->payload;
    ADD_FAILURE() << "no offer";
    return {};
  }

  Instant now = start;
  SeededRandom random;
  Node node;
};

TEST_F(NodeTest, RefusesWhatItCannotReachWithoutTheRegistry) {
  const auto sent = node.send(now, PeerId("x"), "{}");
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, Errc::not_connected);
  EXPECT_TRUE(node.links().empty());
}

TEST_F(NodeTest, RefusesItselfAndNobody) {
  sign_on({});
  EXPECT_EQ(node.send(now, PeerId("m"), "{}").error().code, Errc::unknown_peer);
  EXPECT_EQ(node.connect(now, PeerId("")).error().code, Errc::unknown_peer);
}

TEST_F(NodeTest, RegistersAndThenOffersToEveryoneWhoIsThere) {
  node.handle_signaling_open(now);
  EXPECT_EQ(signals(type::register_).size(), 1U);
  tell(type::peer_list, "registry", R"({"peers":["a","b"]})");
  const auto offers = signals(type::offer);
  ASSERT_EQ(offers.size(), 2U);
  EXPECT_EQ(offers[0].peer_id, "m");
  EXPECT_EQ(offers[0].target_id, "a");
  EXPECT_EQ(offers[1].target_id, "b");
}

TEST_F(NodeTest, OffersToAsManyAsItMayWhenMoreAreThere) {
  std::vector<std::string> names;
  names.reserve(limits::peers_max + 76);
  for (std::size_t i = 0; i < limits::peers_max + 76; ++i) names.push_back("p" + std::to_string(i));
  sign_on(names);
  EXPECT_EQ(signals(type::offer).size(), limits::peers_max);
}

TEST_F(NodeTest, SaysNothingToTheRegistryWhileItIsAway) {
  sign_on({"a"});
  node.handle_signaling_closed(now);
  EXPECT_FALSE(node.poll_signal());
}

TEST_F(NodeTest, RepeatsAnUnansweredOfferAfterTheRegistryCameBack) {
  sign_on({"a"});
  const auto first = signals(type::offer);
  node.handle_signaling_closed(now);
  node.handle_signaling_open(now);
  const auto again = signals(type::offer);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].payload, first[0].payload);
}

TEST_F(NodeTest, HeartbeatsWhileSignedOn) {
  sign_on({});
  signals(type::register_);
  run_until(start + 95s);
  EXPECT_EQ(signals(type::heartbeat).size(), 3U);
  node.handle_signaling_closed(now);
  run_until(start + 200s);
  node.handle_signaling_open(now);
  EXPECT_TRUE(signals(type::heartbeat).empty());
}

TEST_F(NodeTest, BoundsWhatWaitsForOneLink) {
  sign_on({"a"});
  std::size_t taken = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto sent = node.send(now, PeerId("a"), "{}");
    if (sent) {
      EXPECT_TRUE(sent->has_value()) << "a message that waits has a ticket";
      ++taken;
    } else {
      EXPECT_EQ(sent.error().code, Errc::send_buffer_full);
    }
  }
  EXPECT_EQ(taken, limits::pending_messages_max);

  const std::string large(limits::message_bytes_max, ' ');
  EXPECT_EQ(node.send(now, PeerId("a"), large + " ").error().code, Errc::message_too_large);
}

TEST_F(NodeTest, FailsEveryWaitingMessageOnceWhenThePeerDoesNotAnswer) {
  sign_on({"a"});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(node.send(now, PeerId("a"), "{}"));
  ASSERT_TRUE(node.connect(now, PeerId("a")));
  run_until(start + 14s);
  EXPECT_TRUE(events<Node::SendFailed>().empty());
  run_until(start + 16s);
  std::size_t sends = 0, connects = 0;
  while (auto event = node.poll_event()) {
    if (const auto* failed = std::get_if<Node::SendFailed>(&*event)) {
      EXPECT_EQ(failed->error.code, Errc::connect_failed);
      EXPECT_NE(failed->error.message().find("did not answer"), std::string::npos);
      ++sends;
    }
    connects += std::holds_alternative<Node::ConnectFailed>(*event);
  }
  EXPECT_EQ(sends, 3U);
  EXPECT_EQ(connects, 1U);
}

TEST_F(NodeTest, TriesAgainWhileThePeerIsListed) {
  sign_on({"a"});
  EXPECT_EQ(signals(type::offer).size(), 1U);
  run_until(start + 16s);
  EXPECT_EQ(signals(type::offer).size(), 1U);
}

TEST_F(NodeTest, FailsAtOnceWhenTheRegistryDoesNotKnowThePeer) {
  sign_on({});
  ASSERT_TRUE(node.send(now, PeerId("ghost"), "{}"));
  tell(type::error, "registry",
       R"({"code":"unknown_peer","message":"?","hint":"","target_id":"ghost"})");
  const auto failed = events<Node::SendFailed>();
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].error.code, Errc::unknown_peer);
  EXPECT_TRUE(node.links().empty());
}

TEST_F(NodeTest, AnswersAnOffer) {
  sign_on({});
  tell(type::offer, "a", offer_from("a"));
  const auto answers = signals(type::answer);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].target_id, "a");
}

TEST_F(NodeTest, NamesTheMediaSectionAsTheOfferDoes) {
  sign_on({});
  std::string offer = offer_from("a");
  for (const auto& [from, to] : {std::pair("a=mid:0", "a=mid:data"), {"BUNDLE 0", "BUNDLE data"}}) {
    const std::size_t at = offer.find(from);
    ASSERT_NE(at, std::string::npos);
    offer.replace(at, std::string_view(from).size(), to);
  }
  tell(type::offer, "a", offer);
  const auto candidates = signals(type::ice_candidate);
  ASSERT_FALSE(candidates.empty());
  EXPECT_NE(candidates[0].payload.find(R"("sdpMid":"data")"), std::string::npos);
}

TEST_F(NodeTest, RepeatsItsAnswerToARepeatedOffer) {
  sign_on({});
  const std::string offer = offer_from("a");
  tell(type::offer, "a", offer);
  const auto first = signals(type::answer);
  tell(type::offer, "a", offer);
  const auto again = signals(type::answer);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].payload, first[0].payload);
}

TEST_F(NodeTest, KeepsItsOfferInGlareWhenItsNameIsSmaller) {
  sign_on({"z"});
  const auto mine = signals(type::offer);
  tell(type::offer, "z", offer_from("z"));
  Envelope repeated;
  while (auto envelope = node.poll_signal()) {
    EXPECT_NE(envelope->type, type::answer);
    if (envelope->type == type::offer) repeated = *envelope;
  }
  EXPECT_EQ(repeated.payload, mine[0].payload);
}

TEST_F(NodeTest, GivesWayInGlareWhenItsNameIsLarger) {
  sign_on({"a"});
  signals(type::offer);
  tell(type::offer, "a", offer_from("a"));
  EXPECT_EQ(signals(type::answer).size(), 1U);
}

TEST_F(NodeTest, OutlivesNonsenseFromThePeer) {
  sign_on({"a"});
  for (const char* kind : {"offer", "answer", "ice_candidate", "peer_list", "error", "links", "?"})
    for (const char* payload : {"{}", R"({"sdp":"v=0"})", R"({"sdp":7})", R"({"peers":[1]})",
                                R"({"candidate":"candidate:x"})", R"({"code":"unknown_peer"})"})
      tell(kind, "a", payload);
  run_until(start + 60s);
  EXPECT_TRUE(node.open_peers().empty());
}

TEST_F(NodeTest, RefusesCommandsAfterClose) {
  sign_on({"a"});
  ASSERT_TRUE(node.send(now, PeerId("a"), "{}"));
  node.close(now);
  EXPECT_EQ(events<Node::SendFailed>().size(), 1U);
  EXPECT_EQ(node.send(now, PeerId("a"), "{}").error().code, Errc::closing);
  EXPECT_TRUE(node.links().empty());
}

TEST_F(NodeTest, KeepsNoMoreLinksThanItMay) {
  sign_on({});
  for (std::size_t i = 0; i < limits::peers_max; ++i)
    ASSERT_TRUE(node.connect(now, PeerId("p" + std::to_string(i))));
  EXPECT_EQ(node.connect(now, PeerId("one more")).error().code, Errc::too_many_peers);
}

TEST(Backoff, StaysUnderALimitThatDoublesToItsMaximum) {
  SeededRandom random(1);
  Backoff backoff({.min = 100ms, .max = 1s});
  for (const Duration limit : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms})
    EXPECT_LT(backoff.next(random), limit);
  backoff.reset();
  for (int i = 0; i < 100; ++i) {
    EXPECT_LT(backoff.next(random), 100ms);
    backoff.reset();
  }
}

}  // namespace
}  // namespace chatixia::mesh
