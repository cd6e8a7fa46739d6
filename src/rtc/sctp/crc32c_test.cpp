#include "rtc/sctp/crc32c.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace chatixia::rtc::sctp {
namespace {

// RFC 3720, appendix B.4, prints these.
TEST(Crc32c, MatchesThePublishedVectors) {
  Buffer bytes(32, 0);
  EXPECT_EQ(crc32c(bytes), 0x8A9136AAu);
  bytes.assign(32, 0xFF);
  EXPECT_EQ(crc32c(bytes), 0x62A8AB43u);
  for (std::uint8_t i = 0; i < 32; ++i) bytes[i] = i;
  EXPECT_EQ(crc32c(bytes), 0x46DD794Eu);
  for (std::uint8_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::uint8_t>(31 - i);
  EXPECT_EQ(crc32c(bytes), 0x113FDB5Cu);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
}

TEST(Crc32c, TableAndInstructionAgreeOnEveryLengthAndAlignment) {
  if (!detail::has_crc32c_instruction()) GTEST_SKIP() << "no SSE 4.2";
  SeededRandom random(1);
  const Buffer bytes = random.bytes(200);
  for (std::size_t start = 0; start < 9; ++start)
    for (std::size_t size = 0; start + size <= bytes.size(); ++size) {
      const Bytes part = Bytes(bytes).subspan(start, size);
      ASSERT_EQ(detail::crc32c_by_table(~0u, part), detail::crc32c_by_instruction(~0u, part));
    }
}

TEST(Checksum, RoundTripsAndNoticesEveryFlippedBit) {
  SeededRandom random(2);
  Buffer packet = random.bytes(60);
  std::fill_n(packet.begin() + 8, 4, std::uint8_t{0});
  set_checksum(packet);
  ASSERT_TRUE(has_right_checksum(packet));
  for (std::size_t bit = 0; bit < packet.size() * 8; ++bit) {
    packet[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    ASSERT_FALSE(has_right_checksum(packet)) << bit;
    packet[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
  }
}

TEST(Checksum, IsWrongOnEveryPacketThatIsTooShort) {
  const Buffer packet(12, 0);
  for (std::size_t size = 0; size < 12; ++size)
    EXPECT_FALSE(has_right_checksum(Bytes(packet).first(size)));
}

TEST(Checksum, ZeroIsNotAcceptedInItsPlace) {
  const Buffer packet(28, 0);
  EXPECT_FALSE(has_right_checksum(packet));
}

}  // namespace
}  // namespace chatixia::rtc::sctp
