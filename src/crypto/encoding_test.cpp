#include "crypto/encoding.hpp"

#include <array>
#include <utility>

#include <gtest/gtest.h>

namespace chatixia::crypto {
namespace {

// RFC 4648, section 10.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> rfc4648 = {{
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
}};

std::optional<std::string> decoded(std::string_view text) {
  const auto bytes = from_base64url(text);
  if (!bytes) return std::nullopt;
  return std::string(as_text(*bytes));
}

TEST(Base64, AgreesWithRfc4648) {
  for (const auto& [plain, encoded] : rfc4648) EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
}

TEST(Base64Url, LeavesOutThePaddingAndReadsItsOwnText) {
  for (const auto& [plain, encoded] : rfc4648) {
    const std::string_view unpadded = encoded.substr(0, encoded.find('='));
    EXPECT_EQ(to_base64url(as_bytes(plain)), unpadded);
    EXPECT_EQ(decoded(unpadded), plain);
  }
  const Buffer high = {0xfb, 0xff, 0xfe};
  EXPECT_EQ(to_base64(high), "+//+");
  EXPECT_EQ(to_base64url(high), "-__-");
  EXPECT_EQ(from_base64url("-__-"), high);
}

TEST(Base64Url, RefusesPaddingWhitespaceForeignDigitsAndStrayBits) {
  for (const std::string_view text :
       {"Zg==", "Zg ", " Zg", "Zm9v\n", "+//+", "A", "AAAAA", "Zh", "Zm9"})
    EXPECT_EQ(decoded(text), std::nullopt) << text;
}

TEST(Hex, ReadsBothCasesAndWritesLower) {
  const Buffer bytes = {0x00, 0x1f, 0xab, 0xff};
  EXPECT_EQ(to_hex(bytes), "001fabff");
  EXPECT_EQ(from_hex("001fabff"), bytes);
  EXPECT_EQ(from_hex("001FABFF"), bytes);
  EXPECT_EQ(from_hex(""), Buffer{});
}

TEST(Hex, RefusesHalfBytesAndForeignDigits) {
  EXPECT_EQ(from_hex("abc"), std::nullopt);
  EXPECT_EQ(from_hex("0g"), std::nullopt);
  EXPECT_EQ(from_hex("0x12"), std::nullopt);
}

}  // namespace
}  // namespace chatixia::crypto
