#include "registry/server.hpp"

#include <fstream>
#include <optional>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/log.hpp"
#include "net/http.hpp"
#include "net/websocket.hpp"
#include "protocol/registry_api.hpp"
#include "registry/errc.hpp"
#include "support/registry_fixture.hpp"

namespace chatixia::registry {
namespace {

using namespace std::chrono_literals;

// A registry on a free port of this host, with one admin and two agents.
class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    Log::configure({.level = LogLevel::off});
    options.port = 0;
    options.state_dir = files.path("state");
    start();
    for (const std::string id : {"bot-1", "bot-2"}) {
      options.new_key = as_agent(id);
      keys[id] = add_key(options).value();
    }
    options.new_key = {.peer = PeerId("watcher"), .role = Role::viewer};
    keys["watcher"] = add_key(options).value();
  }
  void TearDown() override { Log::configure({}); }

  void start() {
    auto started = Server::start(loop, options);
    ASSERT_TRUE(started) << started.error().message();
    server = *std::move(started);
  }
  void run_for(Duration limit) {
    net::Timer timer(loop, [this] { loop.stop(); });
    timer.expires_after(limit);
    loop.run();
  }
  // Runs the loop until something holds, five seconds at most.
  void run_until(const std::function<bool()>& holds) {
    for (int i = 0; i < 500 && !holds(); ++i) run_for(10ms);
    ASSERT_TRUE(holds());
  }

  net::HttpResponse call(std::string method, std::string target, net::Headers headers = {},
                         std::string body = {}) {
    std::optional<Result<net::HttpResponse>> answer;
    net::http_request(loop,
                      {.method = std::move(method),
                       .url = net::Url::parse(server->url() + target).value(),
                       .headers = std::move(headers),
                       .body = std::move(body)},
                      [&](Result<net::HttpResponse> response) { answer = std::move(response); });
    run_until([&] { return answer.has_value(); });
    EXPECT_TRUE(*answer);
    return answer->value_or(net::HttpResponse{.status = 0});
  }
  std::string token_for(const std::string& id) {
    const auto answer = call("POST", "/api/token", {{"x-api-key", keys[id]}});
    EXPECT_EQ(answer.status, 200);
    return protocol::api::TokenAnswer::parse(answer.body)->token;
  }

  // One side of signaling.
  struct Peer {
    std::shared_ptr<net::WebSocket> socket;
    std::optional<Error> error;
    std::vector<std::string> heard;
    std::optional<std::uint16_t> closed_with;
  };
  std::unique_ptr<Peer> connect(const std::string& bearer, const std::string& query = {}) {
    auto peer = std::make_unique<Peer>();
    auto url = net::Url::parse(server->url() + "/ws" + query).value();
    url.scheme = "ws";
    net::WebSocket::connect(loop, url, bearer, {},
                            [&](Result<std::shared_ptr<net::WebSocket>> socket) {
                              if (socket)
                                peer->socket = *socket;
                              else
                                peer->error = socket.error();
                            });
    run_until([&] { return peer->socket || peer->error; });
    if (peer->socket)
      peer->socket->start(
          {.on_text = [&p = *peer](std::string_view t) { p.heard.emplace_back(t); },
           .on_closed = [&p = *peer](std::uint16_t code,
                                     const std::string&) { p.closed_with = code; }});
    return peer;
  }

  test::TempDir files;
  net::Loop loop;
  Options options;
  std::unique_ptr<Server> server;
  std::map<std::string, std::string> keys;
};

TEST_F(ServerTest, KeepsItsSecretsToItself) {
  struct stat status{};
  ASSERT_EQ(::stat(options.state_dir.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  for (const std::string name : {"signaling.secret", "api-keys.json"}) {
    ASSERT_EQ(::stat((options.state_dir + "/" + name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
  }
}

TEST_F(ServerTest, AnswersOverHttp) {
  EXPECT_EQ(call("GET", "/healthz").body, R"({"status":"ok"})");
  EXPECT_EQ(call("GET", "/nothing").status, 404);
  EXPECT_EQ(call("GET", "/api/registry/agents").status, 200);
  EXPECT_EQ(call("GET", "/api/registry/agents", {{"x-api-key", "ak_wrong"}}).status, 401);
  EXPECT_EQ(call("POST", "/api/registry/agents", {{"x-api-key", keys["bot-1"]}},
                 R"({"agent_id":"a b","hostname":"h"})")
                .status,
            200);
  EXPECT_EQ(call("GET", "/api/registry/agents/a%20b").status, 200);
  EXPECT_EQ(call("POST", "/api/hub/tasks", {}, std::string(2 << 20, ' ')).status, 413);
}

TEST_F(ServerTest, RelaysBetweenSidecars) {
  // One connects as 0.4 sidecars do, the other with a header.
  const auto first = connect("", "?token=" + token_for("bot-1"));
  const auto second = connect(token_for("bot-2"));
  ASSERT_TRUE(first->socket && second->socket);
  ASSERT_TRUE(second->socket->send_text(R"({"type":"register","peer_id":"bot-2","payload":{}})"));
  run_until([&] { return !second->heard.empty(); });
  EXPECT_EQ(second->heard[0],
            R"({"type":"peer_list","peer_id":"registry","payload":{"peers":["bot-1"]}})");

  const std::string offer =
      R"({"type":"offer","peer_id":"bot-2","target_id":"bot-1","payload":{"sdp":"v=0\r\n"}})";
  ASSERT_TRUE(second->socket->send_text(offer));
  run_until([&] { return !first->heard.empty(); });
  EXPECT_EQ(first->heard[0], offer);
}

TEST_F(ServerTest, RefusesAnUpgradeWithoutAToken) {
  const std::string token = token_for("bot-1");
  std::string forged = token;
  forged[forged.size() - 5] = forged[forged.size() - 5] == 'A' ? 'B' : 'A';
  for (const auto& peer : {connect(""), connect(forged), connect("", "?token=x")}) {
    ASSERT_TRUE(peer->error);
    EXPECT_NE(peer->error->message().find("401"), std::string::npos) << peer->error->message();
  }
  const auto watcher = connect(token_for("watcher"));
  ASSERT_TRUE(watcher->error);
  EXPECT_NE(watcher->error->message().find("403"), std::string::npos);
}

TEST_F(ServerTest, ReplacesAnOlderConnection) {
  const auto older = connect(token_for("bot-1"));
  const auto newer = connect(token_for("bot-1"));
  run_until([&] { return older->closed_with.has_value(); });
  EXPECT_EQ(older->closed_with, 4001);
  EXPECT_FALSE(newer->closed_with);
}

TEST_F(ServerTest, SaysGoodbye) {
  const auto peer = connect(token_for("bot-1"));
  bool is_down = false;
  server->shut_down([&] { is_down = true; });
  run_until([&] { return is_down && peer->closed_with; });
  EXPECT_EQ(peer->closed_with, 1001);
}

TEST_F(ServerTest, KeepsItsSecretAcrossARestart) {
  const std::string token = token_for("bot-1");
  server.reset();
  start();
  EXPECT_TRUE(connect(token)->socket);
}

TEST_F(ServerTest, StartsOnlyWithSoundSecrets) {
  const auto refusal = [&] {
    const auto started = Server::start(loop, options);
    return started ? std::string() : started.error().message();
  };
  options.signaling_secret = "dev-secret-change-me";
  EXPECT_NE(refusal().find("SIGNALING_SECRET"), std::string::npos);
  options.signaling_secret.clear();
  options.keys_file = files.path("missing.json");
  EXPECT_NE(refusal().find("missing.json"), std::string::npos);
  std::ofstream(options.keys_file) << "{}";
  ASSERT_EQ(::chmod(options.keys_file.c_str(), 0644), 0);
  EXPECT_NE(refusal().find("chmod 600"), std::string::npos);
  ASSERT_EQ(::chmod(options.keys_file.c_str(), 0600), 0);
  EXPECT_EQ(refusal(), "");
}

TEST_F(ServerTest, SaysThatThePortIsTaken) {
  options.port = net::Url::parse(server->url())->port;
  EXPECT_FALSE(Server::start(loop, options));
}

}  // namespace
}  // namespace chatixia::registry
