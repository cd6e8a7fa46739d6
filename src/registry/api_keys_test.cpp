#include "registry/api_keys.hpp"

#include <gtest/gtest.h>

#include "registry/errc.hpp"
#include "support/registry_fixture.hpp"

namespace chatixia::registry {
namespace {

constexpr std::string_view wrapped =
    R"({"keys":{"ak_one":{"peer_id":"bot-1","role":"agent"},"ak_two":{"peer_id":"root","role":"admin"}}})";
constexpr std::string_view bare = R"({"ak_one":{"peer_id":"bot-1","role":"agent","note":"x"}})";

TEST(ApiKeys, AreReadFromBothForms) {
  EXPECT_EQ(ApiKeys::parse(wrapped)->find("ak_one"), as_agent("bot-1"));
  EXPECT_EQ(ApiKeys::parse(bare)->find("ak_one"), as_agent("bot-1"));
  EXPECT_EQ(ApiKeys::parse(R"({"ak_one":{"peer_id":"bot-1"}})")->find("ak_one"), as_agent("bot-1"));
}

TEST(ApiKeys, FindNothingButTheWholeKey) {
  const auto keys = ApiKeys::parse(wrapped);
  for (const std::string_view key : {"", "ak_", "ak_on", "ak_onee", "AK_ONE", "keys"})
    EXPECT_FALSE(keys->find(key)) << key;
  EXPECT_TRUE(keys->names(PeerId("root")));
  EXPECT_FALSE(keys->names(PeerId("ak_one")));
}

TEST(ApiKeys, RefuseAFileThatIsNotSoundWithoutQuotingIt) {
  for (const std::string_view text :
       {"", "[]", "{", R"({"keys":[]})", R"({"ak_secret":"bot-1"})", R"({"ak_secret":{}})",
        R"({"ak_secret":{"peer_id":""}})", R"({"ak_secret":{"peer_id":"a\u0007b"}})",
        R"({"ak_secret":{"peer_id":"a","role":"root"}})", R"({"":{"peer_id":"a"}})"}) {
    const auto keys = ApiKeys::parse(text);
    ASSERT_FALSE(keys) << text;
    EXPECT_EQ(keys.error().code, Errc::bad_configuration);
    EXPECT_EQ(keys.error().message().find("ak_secret"), std::string::npos);
  }
}

TEST(ApiKeys, GrowInTheFormOfTheirFile) {
  for (const std::string_view text : {std::string_view(), wrapped, bare}) {
    const auto grown = with_key(text, "ak_new", as_agent("bot-9"));
    ASSERT_TRUE(grown);
    const auto keys = ApiKeys::parse(*grown);
    ASSERT_TRUE(keys);
    EXPECT_EQ(keys->find("ak_new"), as_agent("bot-9"));
    EXPECT_EQ(keys->find("ak_one").has_value(), !text.empty());
  }
  EXPECT_FALSE(with_key("broken", "ak_new", as_agent("bot-9")));
}

TEST(ApiKeys, AreRandomAndLong) {
  SeededRandom random(7);
  const std::string key = make_api_key(random);
  EXPECT_EQ(key.size(), 35U);
  EXPECT_EQ(key.substr(0, 3), "ak_");
  EXPECT_NE(key, make_api_key(random));
}

TEST(Ids, HoldNoControlCharacters) {
  EXPECT_TRUE(is_valid_id("bot-1 \xc3\xa9"));
  for (const std::string& id : {std::string(), std::string("a\nb"), std::string("\x1b[2J"),
                                std::string("\x7f"), std::string("\xff"), std::string(257, 'a')})
    EXPECT_FALSE(is_valid_id(id));
}

}  // namespace
}  // namespace chatixia::registry
