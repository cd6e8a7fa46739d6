#include "sidecar/ice_servers.hpp"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "support/test_loop.hpp"

namespace chatixia::sidecar {
namespace {

using Kind = rtc::ice::Server::Kind;

protocol::api::Config config_of(std::vector<std::string> urls) {
  return {.ice_servers = {{.urls = std::move(urls), .username = "user", .credential = "word"}}};
}

class IceServers : public testing::Test {
 protected:
  void SetUp() override { Log::configure({.level = LogLevel::off}); }
  void TearDown() override { Log::configure({}); }

  // The servers that come of URLs, as "stun 192.0.2.1:3478".
  std::vector<std::string> resolved(std::vector<std::string> urls) {
    std::optional<std::vector<rtc::ice::Server>> servers;
    resolve_servers(loop, config_of(std::move(urls)), [&](auto found) {
      EXPECT_FALSE(servers.has_value());
      servers = std::move(found);
    });
    EXPECT_FALSE(servers.has_value());
    EXPECT_TRUE(loop.run_until([&] { return servers.has_value(); }));
    std::vector<std::string> texts;
    for (const auto& server : servers.value_or(std::vector<rtc::ice::Server>())) {
      texts.push_back((server.kind == Kind::turn ? "turn " : "stun ") + server.address.to_string());
      EXPECT_EQ(server.username, "user");
    }
    return texts;
  }

  test::TestLoop loop;
};

TEST_F(IceServers, AreOfUdpAndHaveAPort) {
  EXPECT_THAT(resolved({"stun:192.0.2.1", "turn:192.0.2.2:5000", "turn:[2001:db8::1]:1",
                        "stun:[2001:db8::2]", "turn:192.0.2.3?transport=udp"}),
              testing::UnorderedElementsAre("stun 192.0.2.1:3478", "turn 192.0.2.2:5000",
                                            "turn [2001:db8::1]:1", "stun [2001:db8::2]:3478",
                                            "turn 192.0.2.3:3478"));
}

TEST_F(IceServers, AreLeftOutWhenTheyCannotBeUsed) {
  EXPECT_THAT(
      resolved({"", "stun:", "turn::", "turns:192.0.2.1", "192.0.2.1", "stun:192.0.2.1:99999",
                "stun:192.0.2.1:x", "stun:192.0.2.1:", "turn:192.0.2.1?transport=tcp",
                "stun:no-such-host.invalid", "stun:192.0.2.7"}),
      testing::ElementsAre("stun 192.0.2.7:3478"));
}

TEST_F(IceServers, MayBeNone) {
  EXPECT_TRUE(resolved({}).empty());
}

TEST_F(IceServers, AreBounded) {
  EXPECT_EQ(resolved(std::vector<std::string>(20, "stun:192.0.2.1")).size(), 8U);
}

TEST_F(IceServers, SayNothingWhenTheLoopEndsBefore) {
  for (const std::string url : {"stun:127.0.0.1:1", "stun:no-such-host.invalid", "nonsense"}) {
    auto own = std::make_unique<test::TestLoop>();
    bool called = false;
    resolve_servers(*own, config_of({url}), [&](const auto&) { called = true; });
    own.reset();
    EXPECT_FALSE(called) << url;
  }
}

TEST(ConfiguredServers, CarryCredentialsThatExpireWithTheDay) {
  const WallTime now = WallTime{} + std::chrono::seconds(1'800'000'000);
  Options options;
  EXPECT_TRUE(configured_servers(options, now).ice_servers.empty());
  options.turn_url = "turn:turn.example.net";
  options.turn_secret = "turn-test";
  const auto config = configured_servers(options, now);
  ASSERT_EQ(config.ice_servers.size(), 1U);
  EXPECT_EQ(config.ice_servers[0].username, "1800086400:mesh");
  // What coturn computes from its static-auth-secret.
  EXPECT_EQ(config.ice_servers[0].credential, "ktqqLh8R489lp8488wDyFMRCgwM=");
}

}  // namespace
}  // namespace chatixia::sidecar
