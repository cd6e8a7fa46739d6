#include "sidecar/registry_link.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "support/test_loop.hpp"

namespace chatixia::sidecar {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

// Draws the longest of the waits below, which all divide this number of nanoseconds.
class LongestWaits final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override {
    std::uint64_t rest = 3'072'000'000'000 - 1;
    for (auto byte = out.rbegin(); byte != out.rend(); ++byte, rest >>= 8)
      *byte = static_cast<std::uint8_t>(rest);
  }
};

// A link to a registry that answers as the test wants.
class RegistryLinkTest : public testing::Test {
 protected:
  void SetUp() override {
    Log::configure({.level = LogLevel::off});
    auto made = net::HttpServer::listen(
        loop, *Endpoint::parse("127.0.0.1:0"), {},
        {.on_request =
             [this](const net::HttpRequest& request, net::HttpResponder respond) {
               asked.push_back(request.method + " " + request.path);
               respond(request.path.ends_with("/token") ? token_answer : config_answer);
             },
         .on_upgrade = [](const net::HttpRequest&) { return std::nullopt; },
         .on_websocket =
             [this](const net::HttpRequest&, std::shared_ptr<net::WebSocket> socket) {
               ++sockets;
               socket->start({});
               if (close_code != 0) socket->close(close_code, "not you");
               server_side = std::move(socket);
             }});
    ASSERT_TRUE(made.has_value());
    http = *std::move(made);
    base = "://" + http->local().to_string();
    options.token = *net::Url::parse("http" + base + "/api/token");
    options.signaling = *net::Url::parse("ws" + base + "/ws");
    options.reconnect = {.min = 1ms, .max = 1s};
  }
  void TearDown() override { Log::configure({}); }

  void start() {
    link = std::make_unique<RegistryLink>(
        loop, options, random,
        RegistryLink::Handlers{
            .on_identity =
                [this](const PeerId& self) {
                  identities.push_back(self.value());
                  if (stops_on_identity) link->stop();
                },
            .on_open = [this] { ++opened; },
            .on_closed = [this] { ++closed; },
            .on_envelope = [](const auto&) {},
            .on_config = [this](const auto& config) { configs.push_back(config); }});
    link->start();
  }
  int count(std::string_view what) const {
    return static_cast<int>(std::ranges::count(asked, what));
  }

  test::TestLoop loop;
  LongestWaits random;
  net::HttpResponse token_answer{.body = R"({"token":"t","peer_id":"me","role":"agent"})"};
  net::HttpResponse config_answer{.body = R"({"iceServers":[]})"};
  std::uint16_t close_code = 0;
  bool stops_on_identity = false;
  std::vector<std::string> asked;
  int sockets = 0;
  std::shared_ptr<net::WebSocket> server_side;
  std::unique_ptr<net::HttpServer> http;
  std::string base;

  RegistryLink::Options options;
  std::vector<std::string> identities;
  int opened = 0, closed = 0;
  std::vector<protocol::api::Config> configs;
  std::unique_ptr<RegistryLink> link;
};

TEST_F(RegistryLinkTest, OpensWithATokenAndAsksForIceServers) {
  start();
  ASSERT_TRUE(loop.run_until([&] { return opened == 1 && configs.size() == 1; }));
  EXPECT_THAT(identities, ElementsAre("me"));
  EXPECT_TRUE(link->is_connected());
  EXPECT_EQ(link->last_error(), "");
}

TEST_F(RegistryLinkTest, AsksBesideTheTokenForTheConfiguration) {
  options.token.target = "/mesh/api/token?tenant=1";
  start();
  ASSERT_TRUE(loop.run_until([&] { return asked.size() == 2; }));
  EXPECT_THAT(asked, ElementsAre("POST /mesh/api/token", "GET /mesh/api/config"));
}

TEST_F(RegistryLinkTest, WaitsLongerEachTimeItIsClosedAtOnce) {
  close_code = 1008;
  const Instant before = net::now();
  start();
  ASSERT_TRUE(loop.run_until([&] { return closed == 8; }));
  EXPECT_GE(net::now() - before, 126ms);  // 1 + 2 + 4 + ... + 64
  EXPECT_EQ(opened, 8);
}

TEST_F(RegistryLinkTest, ComesBackAtOnceAfterAConnectionThatLasted) {
  options.settled_after = 0s;
  options.reconnect = {.min = 1ms, .max = 1h};
  close_code = 1008;
  start();
  EXPECT_TRUE(loop.run_until([&] { return closed == 20; }));  // minutes if the waits grew
}

TEST_F(RegistryLinkTest, IsSlowToReplaceAnotherWithItsKey) {
  options.settled_after = 0s;
  options.reconnect.max = 150ms;
  close_code = 4001;
  const Instant before = net::now();
  start();
  ASSERT_TRUE(loop.run_until([&] { return opened == 2; }));
  EXPECT_GE(net::now() - before, 149ms);
}

TEST_F(RegistryLinkTest, AsksAgainForIceServersThatItWasNotTold) {
  options.config_retry = 1ms;
  for (const auto& bad : {net::HttpResponse{.status = 503, .body = R"({"iceServers":[]})"},
                          net::HttpResponse{.body = "<html>"}}) {
    config_answer = bad;
    start();
    ASSERT_TRUE(loop.run_until([&] { return count("GET /api/config") == 3; }));
    EXPECT_TRUE(configs.empty());
    config_answer = {.body = R"({"iceServers":[{"urls":"stun:192.0.2.1"}]})"};
    ASSERT_TRUE(loop.run_until([&] { return configs.size() == 1; }));
    EXPECT_EQ(count("POST /api/token"), 1);
    asked.clear();
    configs.clear();
  }
}

TEST_F(RegistryLinkTest, ReportsEachReasonOfAnOutageOnce) {
  Log::configure({.level = LogLevel::warning});
  token_answer.status = 503;
  testing::internal::CaptureStderr();
  start();
  ASSERT_TRUE(loop.run_until([&] { return asked.size() == 3; }));
  token_answer.status = 401;
  ASSERT_TRUE(loop.run_until([&] { return asked.size() == 6; }));
  link.reset();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(said, '\n'), 2) << said;
  EXPECT_THAT(said, HasSubstr("answered 503"));
  EXPECT_THAT(said, HasSubstr("check API_KEY"));
}

TEST_F(RegistryLinkTest, MayBeStoppedByItsHandlers) {
  stops_on_identity = true;
  start();
  ASSERT_TRUE(loop.run_until([&] { return identities.size() == 1; }));
  loop.run_for(5ms);
  EXPECT_EQ(sockets, 0);
  EXPECT_THAT(asked, ElementsAre("POST /api/token"));
}

}  // namespace
}  // namespace chatixia::sidecar
