#include "rtc/stun/message.hpp"

#include <gtest/gtest.h>

#include "crypto/encoding.hpp"
#include "rtc/stun/crc32.hpp"
#include "vectors/stun_rfc5769.hpp"

namespace chatixia::rtc::stun {
namespace {

namespace rfc5769 = chatixia::testing::rfc5769;

constexpr TransactionId id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

Endpoint at(std::string_view text) {
  return Endpoint::parse(text).value();
}
Buffer hex(std::string_view text) {
  return crypto::from_hex(text).value();
}

ParseError refusal(Bytes bytes) {
  const auto message = Message::parse(bytes);
  return message ? ParseError{} : message.error();
}

Buffer sample() {
  return Builder(Class::request, Method::binding, id)
      .text(AttributeType::username, "abc:de")
      .u32(AttributeType::priority, 0x6e0001ff)
      .integrity(as_bytes("key"))
      .fingerprint()
      .take();
}

TEST(StunVectors, ReadsTheRequestOfRfc5769) {
  const Buffer bytes = hex(rfc5769::request);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->message_class(), Class::request);
  EXPECT_EQ(message->method(), Method::binding);
  EXPECT_EQ(message->text(AttributeType::software), "STUN test client");
  EXPECT_EQ(message->text(AttributeType::username), "evtj:h6vY");
  EXPECT_EQ(message->u32(AttributeType::priority), 0x6e0001ffu);
  EXPECT_EQ(message->u64(AttributeType::ice_controlled), 0x932ff9b151263b36u);
  EXPECT_TRUE(message->has_fingerprint());
  EXPECT_TRUE(message->verify_integrity(as_bytes(rfc5769::short_term_password)));
  EXPECT_FALSE(message->verify_integrity(as_bytes("VOkJxbRl1RmTxUk/WvJxBu")));
}

TEST(StunVectors, ReadsTheResponsesOfRfc5769) {
  for (const auto& [text, mapped] :
       {std::pair{rfc5769::response_v4, at("192.0.2.1:32853")},
        std::pair{rfc5769::response_v6, at("[2001:db8:1234:5678:11:2233:4455:6677]:32853")}}) {
    const Buffer bytes = hex(text);
    const auto message = Message::parse(bytes);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->message_class(), Class::success);
    EXPECT_EQ(message->text(AttributeType::software), "test vector");
    EXPECT_EQ(message->xor_address(AttributeType::xor_mapped_address), mapped);
    EXPECT_TRUE(message->verify_integrity(as_bytes(rfc5769::short_term_password)));
  }
}

TEST(StunVectors, ReadsTheLongTermRequestOfRfc5769) {
  const Buffer bytes = hex(rfc5769::long_term_request);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->text(AttributeType::username), rfc5769::long_term_username);
  EXPECT_EQ(message->text(AttributeType::nonce), "f//499k954d6OL34oL9FSTvy64sA");
  EXPECT_EQ(message->text(AttributeType::realm), rfc5769::long_term_realm);
  EXPECT_TRUE(message->verify_integrity(long_term_key(
      rfc5769::long_term_username, rfc5769::long_term_realm, rfc5769::long_term_password)));
  EXPECT_FALSE(message->has_fingerprint());
}

TEST(StunMessage, BuildsTheResponseOfRfc5769ButForItsPadding) {
  const Buffer expected = hex(rfc5769::response_v4);
  const auto parsed = Message::parse(expected);
  const Buffer built = Builder(Class::success, Method::binding, parsed->transaction_id())
                           .text(AttributeType::software, "test vector")
                           .xor_address(AttributeType::xor_mapped_address, at("192.0.2.1:32853"))
                           .take();
  Buffer known(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(built.size()));
  known[3] = static_cast<std::uint8_t>(built.size() - header_bytes);
  known[35] = 0;  // the RFC pads with a space
  EXPECT_EQ(built, known);
}

TEST(StunMessage, EveryClassAndMethodSurvivesTheHeader) {
  for (const Class kind : {Class::request, Class::indication, Class::success, Class::error})
    for (std::uint16_t method = 0; method < 0x1000; ++method) {
      const Buffer bytes = Builder(kind, static_cast<Method>(method), id).take();
      const auto message = Message::parse(bytes);
      ASSERT_TRUE(message);
      EXPECT_EQ(message->message_class(), kind);
      EXPECT_EQ(message->method(), static_cast<Method>(method));
    }
}

TEST(StunMessage, RoundTripsEveryKindOfAttribute) {
  const AttributeType strange[] = {static_cast<AttributeType>(0x7777)};
  const Buffer bytes = Builder(Class::error, Method::allocate, id)
                           .error(438, "Stale Nonce")
                           .text(AttributeType::realm, "r")
                           .u64(AttributeType::ice_controlling, 0x0102030405060708)
                           .flag(AttributeType::use_candidate)
                           .xor_address(AttributeType::xor_peer_address, at("[2001:db8::7]:7"))
                           .unknown_attributes(strange)
                           .take();
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->error_code(), (ErrorCode{438, "Stale Nonce"}));
  EXPECT_EQ(message->text(AttributeType::realm), "r");
  EXPECT_EQ(message->u64(AttributeType::ice_controlling), 0x0102030405060708u);
  EXPECT_TRUE(message->has(AttributeType::use_candidate));
  EXPECT_EQ(message->xor_address(AttributeType::xor_peer_address), at("[2001:db8::7]:7"));
  EXPECT_EQ(message->find(AttributeType::unknown_attributes)->size(), 2u);
  EXPECT_FALSE(message->has_integrity());
  EXPECT_FALSE(message->verify_integrity(as_bytes("key")));
}

TEST(StunMessage, EveryPrefixIsTruncatedAndEveryExtraByteIsTrailing) {
  const Buffer bytes = sample();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(refusal(Bytes(bytes).first(size)), ParseError::truncated) << size;
  Buffer longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(refusal(longer), ParseError::trailing_bytes);
}

TEST(StunMessage, RefusesAChangedBitAnywhere) {
  const Buffer bytes = sample();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Buffer changed = bytes;
    changed[i] ^= 1;
    const auto message = Message::parse(changed);
    EXPECT_FALSE(message && message->has_fingerprint()) << i;
  }
}

TEST(StunMessage, RefusesABrokenHeader) {
  Buffer bytes = Builder(Class::request, Method::binding, id).take();
  Buffer changed = bytes;
  changed[0] |= 0x40;
  EXPECT_EQ(refusal(changed), ParseError::wrong_type);
  changed = bytes;
  changed[4] = 0;
  EXPECT_EQ(refusal(changed), ParseError::wrong_type);
  changed = bytes;
  changed[3] = 2;
  changed.resize(22);
  EXPECT_EQ(refusal(changed), ParseError::bad_value);
}

TEST(StunMessage, RefusesAnAttributeThatLeavesTheMessage) {
  Buffer bytes =
      Builder(Class::request, Method::binding, id).u32(AttributeType::priority, 1).take();
  bytes[header_bytes + 3] = 5;
  EXPECT_EQ(refusal(bytes), ParseError::truncated);
}

TEST(StunMessage, RefusesAttributesAfterTheFingerprint) {
  const Buffer bytes = Builder(Class::request, Method::binding, id)
                           .fingerprint()
                           .u32(AttributeType::priority, 1)
                           .take();
  EXPECT_EQ(refusal(bytes), ParseError::bad_value);
}

TEST(StunMessage, DropsAttributesBetweenIntegrityAndFingerprint) {
  const Buffer bytes = Builder(Class::request, Method::binding, id)
                           .integrity(as_bytes("key"))
                           .flag(AttributeType::use_candidate)
                           .fingerprint()
                           .take();
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->verify_integrity(as_bytes("key")));
  EXPECT_FALSE(message->has(AttributeType::use_candidate));
}

TEST(StunMessage, RefusesIntegrityAndFingerprintOfAWrongSize) {
  EXPECT_EQ(refusal(Builder(Class::request, Method::binding, id)
                        .u32(AttributeType::message_integrity, 0)
                        .take()),
            ParseError::bad_value);
  EXPECT_EQ(
      refusal(
          Builder(Class::request, Method::binding, id).u64(AttributeType::fingerprint, 0).take()),
      ParseError::bad_value);
}

TEST(StunMessage, RefusesAFloodOfAttributes) {
  Builder builder(Class::request, Method::binding, id);
  for (std::size_t i = 0; i < attributes_max + 1; ++i) builder.flag(AttributeType::use_candidate);
  EXPECT_EQ(refusal(builder.take()), ParseError::too_large);
}

TEST(StunMessage, ReportsWhatMustBeUnderstoodAndIsNot) {
  const Buffer bytes = Builder(Class::request, Method::binding, id)
                           .flag(static_cast<AttributeType>(0x7001))
                           .flag(static_cast<AttributeType>(0xc001))
                           .flag(AttributeType::use_candidate)
                           .take();
  EXPECT_EQ(Message::parse(bytes)->unknown_required(),
            std::vector{static_cast<AttributeType>(0x7001)});
}

TEST(StunMessage, OnlyTheFirstOfTwoAttributesCounts) {
  const Buffer bytes = Builder(Class::request, Method::binding, id)
                           .u32(AttributeType::priority, 1)
                           .u32(AttributeType::priority, 2)
                           .take();
  EXPECT_EQ(Message::parse(bytes)->u32(AttributeType::priority), 1u);
}

TEST(StunMessage, ValuesOfAWrongShapeAreAbsent) {
  const Buffer bytes = Builder(Class::request, Method::binding, id)
                           .text(AttributeType::priority, "abc")
                           .text(AttributeType::ice_controlling, "abc")
                           .text(AttributeType::xor_mapped_address, "abc")
                           .text(AttributeType::error_code, "ab")
                           .take();
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_FALSE(message->u32(AttributeType::priority));
  EXPECT_FALSE(message->u64(AttributeType::ice_controlling));
  EXPECT_FALSE(message->xor_address(AttributeType::xor_mapped_address));
  EXPECT_FALSE(message->error_code());
  EXPECT_FALSE(message->text(AttributeType::realm));
}

TEST(StunAttribute, RefusesMalformedAddressesAndErrors) {
  EXPECT_EQ(parse_xor_address(hex("0001"), id).error(), ParseError::truncated);
  EXPECT_EQ(parse_xor_address(hex("00010000aabbcc"), id).error(), ParseError::truncated);
  EXPECT_EQ(parse_xor_address(hex("00010000aabbccddee"), id).error(), ParseError::trailing_bytes);
  EXPECT_EQ(parse_xor_address(hex("00030000aabbccdd"), id).error(), ParseError::bad_value);
  EXPECT_EQ(parse_error_code(hex("0000")).error(), ParseError::truncated);
  EXPECT_EQ(parse_error_code(hex("00000200")).error(), ParseError::bad_value);
  EXPECT_EQ(parse_error_code(hex("00000464")).error(), ParseError::bad_value);
}

TEST(StunDemultiplexing, KnowsStunByItsFirstBytes) {
  EXPECT_TRUE(looks_like_stun(hex(rfc5769::request)));
  EXPECT_FALSE(looks_like_stun({}));
  Buffer dtls(40, 0);
  dtls[0] = 22;
  EXPECT_FALSE(looks_like_stun(dtls));
  EXPECT_FALSE(looks_like_stun(Buffer(40, 0)));
}

TEST(Crc32, AgreesWithItsCheckValue) {
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xcbf43926u);
}

}  // namespace
}  // namespace chatixia::rtc::stun
