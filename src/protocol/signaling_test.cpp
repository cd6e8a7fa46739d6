#include "protocol/signaling.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "base/parse_error.hpp"

namespace chatixia::protocol::signaling {
namespace {

TEST(SignalingEnvelope, ThePayloadIsRelayedAsTheBytesItCameIn) {
  const std::string payload = R"({ "sdp":"v=0\u000d\n" ,"n":1.50})";
  const auto envelope = Envelope::parse(
      R"({"type":"offer","peer_id":"a","target_id":"b","payload":)" + payload + "}");
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->payload, payload);
  EXPECT_EQ(envelope->encode(),
            R"({"type":"offer","peer_id":"a","target_id":"b","payload":)" + payload + "}");
}

TEST(SignalingEnvelope, NamesArePrintedEscaped) {
  const Envelope envelope{
      .type = "offer", .peer_id = "a\"\n", .target_id = "\\", .payload = R"({"x":1})"};
  const auto back = Envelope::parse(envelope.encode());
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, envelope);
}

TEST(SignalingEnvelope, ABrokenPayloadRefusesTheWhole) {
  EXPECT_EQ(Envelope::parse(R"({"type":"offer","peer_id":"a","payload":{"sdp":}})").error().code,
            ParseError::bad_syntax);
  EXPECT_EQ(
      Envelope::parse(R"({"type":"offer","peer_id":"a","payload":{"a":1,"a":2}})").error().code,
      ParseError::duplicate_field);
}

TEST(SignalingEnvelope, EveryPrefixIsRefused) {
  const std::string whole =
      R"({"type":"offer","peer_id":"a","target_id":"b","payload":{"sdp":"v=0"}})";
  ASSERT_TRUE(Envelope::parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(Envelope::parse(whole.substr(0, size))) << whole.substr(0, size);
}

TEST(SignalingEnvelope, NamesMayBeEscaped) {
  const auto envelope = Envelope::parse(R"({"\u0074ype":"off\u0065r","peer_\u0069d":"a"})");
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->type, "offer");
}

TEST(SignalingEnvelope, TheLimitIsOnTheWholeText) {
  const std::string head = R"({"type":"offer","peer_id":"a","payload":{"sdp":")";
  const std::string largest =
      head + std::string(limits::signal_bytes_max - head.size() - 3, 'x') + "\"}}";
  EXPECT_TRUE(Envelope::parse(largest));
  EXPECT_EQ(Envelope::parse(largest + " ").error().code, ParseError::too_large);
}

TEST(SignalingPeerList, OnlyTheEnvelopeBoundsIt) {
  PeerList list;
  for (std::size_t i = 0; i <= limits::peers_max; ++i) list.peers.push_back(std::to_string(i));
  const auto back = PeerList::parse(list.encode());
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, list);
}

}  // namespace
}  // namespace chatixia::protocol::signaling
