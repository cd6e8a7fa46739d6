#include "rtc/datachannel/dcep.hpp"

#include <gtest/gtest.h>

namespace chatixia::rtc::datachannel {
namespace {

using namespace std::chrono_literals;

// RFC 8832, section 5.1, for a channel as Chromium opens one: reliable, priority 256, label "ab".
const Buffer chromium_open{0x03, 0x00, 0x01, 0x00, 0, 0, 0, 0, 0, 2, 0, 0, 'a', 'b'};

TEST(DcepOpen, HasTheLayoutOfTheRfc) {
  EXPECT_EQ(encode_open({.label = "ab"}), chromium_open);
  EXPECT_EQ(parse_open(chromium_open), (ChannelOptions{.label = "ab"}));
}

TEST(DcepOpen, EveryKindOfChannelRoundTrips) {
  for (const bool ordered : {true, false})
    for (const ChannelOptions& options :
         {ChannelOptions{.label = "x", .protocol = "chat", .ordered = ordered},
          ChannelOptions{.label = "", .ordered = ordered, .retransmissions_max = 0},
          ChannelOptions{.label = "ü", .ordered = ordered, .retransmissions_max = 65535},
          ChannelOptions{.protocol = "p", .ordered = ordered, .lifetime_max = 3000ms}})
      EXPECT_EQ(parse_open(encode_open(options)), options);
}

TEST(DcepOpen, EveryPrefixIsTruncatedAndEveryExtraByteIsTrailing) {
  for (std::size_t size = 0; size < chromium_open.size(); ++size)
    EXPECT_EQ(parse_open(Bytes(chromium_open).first(size)).error(), ParseError::truncated);
  Buffer longer = chromium_open;
  longer.push_back(0);
  EXPECT_EQ(parse_open(longer).error(), ParseError::trailing_bytes);
}

TEST(DcepOpen, RefusesOtherTypesUnknownChannelsBadTextAndLongNames) {
  Buffer bad = chromium_open;
  bad[0] = 0x04;
  EXPECT_EQ(parse_open(bad).error(), ParseError::wrong_type);
  bad = chromium_open;
  bad[1] = 0x03;
  EXPECT_EQ(parse_open(bad).error(), ParseError::unsupported);
  bad = chromium_open;
  bad[13] = 0xFF;
  EXPECT_EQ(parse_open(bad).error(), ParseError::bad_utf8);
  ByteWriter longest;
  longest.bytes(Bytes(chromium_open).first(8));
  longest.u16(name_bytes_max + 1);
  longest.u16(0);
  longest.text(std::string(name_bytes_max + 1, 'a'));
  EXPECT_EQ(parse_open(longest.view()).error(), ParseError::too_large);
}

TEST(DcepOpen, ACountThatDoesNotFitIsTheLargestThatDoes) {
  Buffer open = chromium_open;
  open[1] = 0x01;
  open[4] = 0xFF;
  EXPECT_EQ(parse_open(open)->retransmissions_max, 65535);
}

TEST(DcepAck, IsOneByte) {
  EXPECT_TRUE(is_ack(ack_message));
  EXPECT_FALSE(is_ack(chromium_open));
  EXPECT_FALSE(is_ack({}));
}

}  // namespace
}  // namespace chatixia::rtc::datachannel
