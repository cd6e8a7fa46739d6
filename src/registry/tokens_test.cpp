#include "registry/tokens.hpp"

#include <gtest/gtest.h>

#include "crypto/digest.hpp"
#include "crypto/encoding.hpp"
#include "registry/errc.hpp"
#include "support/registry_fixture.hpp"

namespace chatixia::registry {
namespace {

using namespace std::chrono_literals;

const std::string secret = "a-signing-secret-of-the-tests";
const WallTime now = test_start().wall;

std::string part(std::string_view text) {
  return crypto::to_base64url(as_bytes(text));
}

std::string signed_token(std::string_view header, std::string_view claims,
                         std::string_view key = secret) {
  const std::string text = part(header) + "." + part(claims);
  return text + "." + crypto::to_base64url(crypto::hmac_sha256(as_bytes(key), as_bytes(text)));
}

std::error_code refusal(std::string_view token, WallTime at = now) {
  const auto verified = Tokens(secret).verify(token, at);
  return verified ? std::error_code() : verified.error().code;
}

constexpr std::string_view good_header = R"({"typ":"JWT","alg":"HS256"})";
constexpr std::string_view good_claims =
    R"({"sub":"bot-1","role":"agent","iat":1800000000,"exp":1800000300})";

TEST(Tokens, NameWhoTheyWereIssuedTo) {
  const Tokens tokens(secret);
  const auto verified = tokens.verify(tokens.issue(as_agent("bot-1"), now), now);
  ASSERT_TRUE(verified);
  EXPECT_EQ(*verified, as_agent("bot-1"));
}

TEST(Tokens, CarryTheClaimsThatOldSidecarsKnow) {
  const std::string token = Tokens(secret).issue(as_agent("bot-1"), now);
  const auto first = token.find('.');
  const auto claims = crypto::from_base64url(
      std::string_view(token).substr(first + 1, token.rfind('.') - first - 1));
  EXPECT_EQ(as_text(*claims), good_claims);
}

TEST(Tokens, AcceptAnyOrderOfMembers) {
  EXPECT_FALSE(refusal(signed_token(good_header, good_claims)));
}

TEST(Tokens, ExpireAfterFiveMinutes) {
  const std::string token = Tokens(secret).issue(as_agent("bot-1"), now);
  EXPECT_FALSE(refusal(token, now + 299s));
  EXPECT_EQ(refusal(token, now + 300s), Errc::expired_token);
}

TEST(Tokens, TellForgedFromExpired) {
  const std::string token = Tokens("another-signing-secret").issue(as_agent("bot-1"), now);
  EXPECT_EQ(refusal(token, now + 1h), Errc::forged_token);
}

TEST(Tokens, RefuseAnyChangedCharacter) {
  const std::string token = Tokens(secret).issue(as_agent("bot-1"), now);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_TRUE(refusal(changed)) << i;
  }
  for (std::size_t size = 0; size < token.size(); ++size)
    EXPECT_TRUE(refusal(token.substr(0, size))) << size;
}

TEST(Tokens, AcceptNoOtherAlgorithm) {
  for (const std::string_view algorithm : {"none", "None", "HS384", "RS256", "EdDSA", "hs256", ""})
    EXPECT_EQ(refusal(signed_token(json::encode(json::Object{{"alg", algorithm}}), good_claims)),
              Errc::forged_token)
        << algorithm;
  EXPECT_EQ(refusal(part(R"({"alg":"none"})") + "." + part(good_claims) + "."), Errc::forged_token);
  EXPECT_EQ(refusal(signed_token(R"({"alg":"HS256","crit":["x"]})", good_claims)),
            Errc::forged_token);
}

TEST(Tokens, RefuseWhatIsNoToken) {
  for (const std::string& token :
       {std::string(), std::string("a.b"), std::string("a.b.c.d"), std::string("..."),
        std::string("!!.!!.!!"), std::string(Tokens::bytes_max + 1, 'a'),
        signed_token("[]", good_claims), signed_token(good_header, "null"),
        signed_token(good_header, R"({"sub":"a","sub":"b"})")})
    EXPECT_EQ(refusal(token), Errc::malformed_token) << token.substr(0, 40);
}

TEST(Tokens, RefuseClaimsThatAreMissingOrImplausible) {
  for (const std::string_view claims :
       {R"({"role":"agent","iat":1800000000,"exp":1800000300})",
        R"({"sub":"","role":"agent","iat":1800000000,"exp":1800000300})",
        R"({"sub":"a","iat":1800000000,"exp":1800000300})",
        R"({"sub":"a","role":"root","iat":1800000000,"exp":1800000300})",
        R"({"sub":"a","role":"agent","exp":1800000300})",
        R"({"sub":"a","role":"agent","iat":1800000000})",
        R"({"sub":"a","role":"agent","iat":1800000000,"exp":"1800000300"})",
        R"({"sub":"a","role":"agent","iat":1800000000,"exp":1900000000})",
        R"({"sub":"a","role":"agent","iat":1800003600,"exp":1800003700})"})
    EXPECT_EQ(refusal(signed_token(good_header, claims)), Errc::malformed_token) << claims;
}

}  // namespace
}  // namespace chatixia::registry
