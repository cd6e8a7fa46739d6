#include "registry/http_api.hpp"

#include <gtest/gtest.h>

#include "registry/http_guard.hpp"
#include "support/registry_fixture.hpp"

namespace chatixia::registry {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view bot_1 =
    R"({"agent_id":"bot-1","hostname":"h","ip":"10.0.0.1","sidecar_peer_id":"bot-1-sidecar","capabilities":{"skills":["sum"],"mcp_servers":[],"goals_count":0,"mode":"auto"}})";

std::string concrete(std::string_view pattern) {
  std::string path(pattern);
  if (const auto hole = path.find("{id}"); hole != path.npos) path.replace(hole, 4, "bot-1");
  return path;
}

// Who may call what. Every route of the API stands here, so a new one needs a decision.
struct Expected {
  std::string_view route;
  std::string_view allowed;  // none, viewer, agent, operator, admin by their first letters
};
constexpr Expected expected[] = {
    {"GET /", "nvaoA"},
    {"GET /healthz", "nvaoA"},
    {"GET /api/version", "nvaoA"},
    {"POST /api/token", "vaoA"},
    {"GET /api/config", "vaoA"},
    {"POST /api/registry/agents", "aA"},
    {"GET /api/registry/agents", "vaoA"},
    {"GET /api/registry/agents/{id}", "vaoA"},
    {"DELETE /api/registry/agents/{id}", "aoA"},
    {"GET /api/registry/route", "vaoA"},
    {"POST /api/hub/heartbeat", "aA"},
    {"POST /api/hub/tasks", "aoA"},
    {"GET /api/hub/tasks/all", "vaoA"},
    {"GET /api/hub/tasks/{id}", "vaoA"},
    {"POST /api/hub/tasks/{id}", "aA"},
    {"GET /api/hub/network/topology", "vaoA"},
};

TEST(HttpApi, AsksEveryRouteForItsRole) {
  ASSERT_EQ(http_routes().size(), std::size(expected));
  for (std::size_t i = 0; i < std::size(expected); ++i) {
    const Route& route = http_routes()[i];
    const std::string name = std::string(route.method) + " " + std::string(route.pattern);
    ASSERT_EQ(name, expected[i].route);
    const auto status = [&](const net::Headers& headers) {
      ApiFixture api;
      return api.call(std::string(route.method), concrete(route.pattern), headers).status;
    };
    const auto may = [&](char who) { return expected[i].allowed.contains(who); };

    EXPECT_EQ(status({}) != 401, may('n')) << name;
    const std::pair<char, std::string_view> roles[] = {
        {'v', "viewer"}, {'a', "bot-1"}, {'o', "operator"}, {'A', "admin"}};
    for (const auto& [letter, role] : roles) {
      const int by_key = status({{"x-api-key", ApiFixture::key_of(role)}});
      EXPECT_NE(by_key, 401) << name << ' ' << role;
      EXPECT_EQ(by_key != 403, may(letter)) << name << ' ' << role;
    }
    // The token route trades keys alone: a token does not renew itself.
    const bool reads_credentials = route.access.stranger != Access::Stranger::welcome;
    const Tokens tokens{std::string(ApiFixture::secret)};
    const auto bearer = [](const std::string& token) {
      return net::Headers{{"authorization", "Bearer " + token}};
    };
    const WallTime now = test_start().wall;
    if (reads_credentials && may('a')) {
      EXPECT_NE(status(bearer(tokens.issue(as_agent("bot-1"), now))), 401) << name;
    }
    const bool is_open = may('n');
    EXPECT_EQ(status(bearer(tokens.issue(as_admin(), now - 5min))) != 401, is_open) << name;
    EXPECT_EQ(status(bearer(Tokens("another-secret").issue(as_admin(), now))) != 401, is_open)
        << name;
    EXPECT_EQ(status({{"x-api-key", "ak_wrong"}}) != 401, is_open) << name;
    EXPECT_EQ(status({{"x-device-token", "dt_any"}}) != 401, is_open) << name;
    EXPECT_EQ(status({{"authorization", "Basic YTpi"}}) != 401, is_open) << name;
  }
}

TEST(HttpApi, SaysWhatIsWrongWithACredential) {
  ApiFixture api;
  const auto problem = [&](net::Headers headers) {
    const Answer answer = api.call("GET", "/api/registry/agents", std::move(headers));
    EXPECT_EQ(answer.status, 401);
    EXPECT_TRUE(answer.headers.contains("www-authenticate"));
    const auto body = answer.object();
    EXPECT_EQ(body.at("code"), "unauthorized");
    EXPECT_EQ(body.at("error"), body.at("message"));
    EXPECT_FALSE(body.at("hint").as_string().empty());
    return std::string(body.at("message").as_string());
  };
  const std::string expired =
      Tokens(std::string(ApiFixture::secret)).issue(as_admin(), api.now.wall - 1h);
  const std::string forged = Tokens("another-secret").issue(as_admin(), api.now.wall);
  EXPECT_TRUE(problem({{"authorization", "Bearer " + expired}}).contains("expired"));
  EXPECT_TRUE(problem({{"authorization", "bearer " + forged}}).contains("not signed"));
  EXPECT_TRUE(problem({{"authorization", "Bearer x"}}).contains("malformed"));
  EXPECT_TRUE(problem({{"x-api-key", "ak_wrong"}}).contains("not known"));
  EXPECT_TRUE(problem({{"x-device-token", "dt_any"}}).contains("device tokens"));
  EXPECT_TRUE(problem({}).contains("needs a credential"));
}

TEST(HttpApi, LetsStrangersReadAndSubmitWhere04Did) {
  for (const auto anonymous :
       {HttpApi::Anonymous::from_this_host, HttpApi::Anonymous::everywhere}) {
    ApiFixture api(anonymous);
    for (const std::string path :
         {"/api/registry/agents", "/api/hub/tasks/all", "/api/config", "/api/hub/network/topology"})
      EXPECT_EQ(api.call("GET", path).status, 200) << path;
    EXPECT_EQ(api.call("POST", "/api/hub/tasks", {}, R"({"skill":"sum"})").status, 200);
    for (const std::string path : {"/api/registry/agents", "/api/hub/heartbeat"})
      EXPECT_EQ(api.call("POST", path, {}, std::string(bot_1)).status, 401) << path;
    EXPECT_EQ(api.call("DELETE", "/api/registry/agents/bot-1").status, 401);
    EXPECT_EQ(api.call("POST", "/api/hub/tasks/1", {}, R"({"state":"failed"})").status, 401);
    // A credential that is sent must be right.
    EXPECT_EQ(api.call("GET", "/api/registry/agents", {{"x-api-key", "ak_wrong"}}).status, 401);
    EXPECT_EQ(api.call("GET", "/api/registry/agents", {{"x-device-token", "dt_any"}}).status, 401);
  }
}

TEST(HttpApi, LetsNoReboundNameAndNoProxyPassForThisHost) {
  ApiFixture api(HttpApi::Anonymous::from_this_host);
  const auto status = [&](net::Headers headers) {
    return api.call("GET", "/api/registry/agents", std::move(headers)).status;
  };
  EXPECT_EQ(status({{"host", "127.0.0.1:8080"}}), 200);
  EXPECT_EQ(status({{"host", "[::1]:8080"}}), 200);
  EXPECT_EQ(status({{"host", "evil.example"}}), 401);
  EXPECT_EQ(status({{"host", "localhost.evil.example:8080"}}), 401);
  EXPECT_EQ(status({{"host", "127.0.0.1.evil.example"}}), 401);
  EXPECT_EQ(status({{"host", "localhost"}, {"x-forwarded-for", "203.0.113.7"}}), 401);
}

TEST(HttpGuard, KnowsTheNamesOfThisHost) {
  for (const std::string_view host :
       {"localhost", "LocalHost:1", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:80"})
    EXPECT_TRUE(is_loopback_host(host)) << host;
  for (const std::string_view host :
       {"", "[", "[::1", "example.net", "10.0.0.1", "0.0.0.0", "localhost.", "[::2]:80", "::1"})
    EXPECT_FALSE(is_loopback_host(host)) << host;
}

TEST(HttpApi, RefusesPagesOfOtherOrigins) {
  ApiFixture api(HttpApi::Anonymous::everywhere);
  const auto status = [&](std::string method, std::string origin) {
    return api
        .call(std::move(method), "/api/hub/tasks", {{"origin", std::move(origin)}},
              R"({"skill":"sum"})")
        .status;
  };
  EXPECT_EQ(status("POST", "http://localhost:8080"), 200);
  EXPECT_EQ(status("POST", "http://localhost:3000"), 403);
  EXPECT_EQ(status("POST", "https://evil.example"), 403);
  EXPECT_EQ(status("POST", "null"), 403);
  const Answer read = api.call("GET", "/api/registry/agents", {{"origin", "https://evil.example"}});
  EXPECT_EQ(read.status, 200);
  EXPECT_FALSE(read.headers.contains("access-control-allow-origin"));
}

TEST(HttpApi, KnowsItsPathsAndMethods) {
  ApiFixture api;
  EXPECT_EQ(api.call("GET", "/api/nothing").status, 404);
  EXPECT_EQ(api.call("GET", "/api/registry/agents/").status, 404);
  EXPECT_EQ(api.call_as("viewer", "GET", "/api/registry/agents/a/b").status, 404);
  const Answer answer = api.call("PUT", "/api/registry/agents");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers.find("allow")->second, "POST, GET");
  EXPECT_EQ(answer.object().at("code"), "method_not_allowed");
  EXPECT_EQ(api.call("OPTIONS", "/api/hub/tasks").status, 405);
}

TEST(HttpApi, TradesAKeyForAToken) {
  ApiFixture api;
  const Answer answer = api.call_as("bot-1", "POST", "/api/token");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.object().at("peer_id"), "bot-1");
  EXPECT_EQ(answer.object().at("role"), "agent");
  const std::string token(answer.object().at("token").as_string());
  EXPECT_EQ(api.tokens_of_registry.verify(token, api.now.wall), as_agent("bot-1"));
  EXPECT_EQ(answer.headers.find("cache-control")->second, "no-store");
  EXPECT_EQ(api.call("POST", "/api/token").status, 401);
  EXPECT_EQ(api.call("POST", "/api/token", {{"authorization", "Bearer " + token}}).status, 401);
}

TEST(HttpApi, AnswersAboutAgentsAs04Did) {
  ApiFixture api;
  EXPECT_EQ(api.call_as("viewer", "GET", "/api/registry/agents").text, "[]");
  EXPECT_EQ(api.call_as("bot-1", "POST", "/api/registry/agents", std::string(bot_1)).text,
            R"({"status":"ok"})");
  const Answer one = api.call_as("viewer", "GET", "/api/registry/agents/bot-1");
  const std::string record =
      R"({"agent_id":"bot-1","hostname":"h","ip":"10.0.0.1","port":8000,)"
      R"("sidecar_peer_id":"bot-1-sidecar","capabilities":{"skills":["sum"],"mcp_servers":[],)"
      R"("goals_count":0,"mode":"auto"},"status":"active","mode":"interactive","health":"active",)"
      R"("registered_at":"2027-01-15T08:00:00.000Z","last_heartbeat":"2027-01-15T08:00:00.000Z"})";
  EXPECT_EQ(one.text, record);
  EXPECT_EQ(api.call_as("viewer", "GET", "/api/registry/agents").text, "[" + record + "]");
  EXPECT_EQ(api.call_as("viewer", "GET", "/api/registry/route?skill=sum").text, record);

  EXPECT_EQ(api.call_as("bot-2", "DELETE", "/api/registry/agents/bot-1").status, 403);
  EXPECT_EQ(api.call_as("bot-1", "DELETE", "/api/registry/agents/bot-1").text,
            R"({"status":"ok"})");
  for (const std::string method : {"GET", "DELETE"}) {
    const Answer gone = api.call_as("admin", method, "/api/registry/agents/bot-1");
    EXPECT_EQ(gone.status, 404);
    EXPECT_EQ(gone.object().at("error"), "not found");
  }
  const Answer nobody = api.call_as("viewer", "GET", "/api/registry/route?skill=sum");
  EXPECT_EQ(nobody.status, 404);
  EXPECT_EQ(nobody.object().at("error"), "no agent found with skill");
  EXPECT_EQ(nobody.object().at("skill"), "sum");
  EXPECT_EQ(api.call_as("viewer", "GET", "/api/registry/route").status, 400);
}

TEST(HttpApi, FindsAnAgentWhateverItsIdHolds) {
  ApiFixture api;
  const std::string path = "/api/registry/agents/a/b c";  // decoded, as the server hands it on
  ASSERT_EQ(
      api.call_as("bot-1", "POST", "/api/registry/agents", R"({"agent_id":"a/b c","hostname":"h"})")
          .status,
      200);
  EXPECT_EQ(api.call_as("viewer", "GET", path).object().at("agent_id"), "a/b c");
  EXPECT_EQ(api.call_as("bot-1", "DELETE", path).status, 200);
  EXPECT_EQ(api.call_as("viewer", "GET", path).status, 404);
}

TEST(HttpApi, CarriesATaskAs04Did) {
  ApiFixture api(HttpApi::Anonymous::from_this_host);
  const std::string heartbeat =
      R"({"agent_id":"bot-1","hostname":"h","ip":"","port":8000,"status":"active","mode":"auto","skills_count":1,"goals_count":0,"uptime_seconds":1.5,"skill_names":["sum"],"sidecar_peer_id":"bot-1-sidecar"})";
  EXPECT_EQ(api.call_as("bot-1", "POST", "/api/hub/heartbeat", heartbeat).text,
            R"({"status":"ok","pending_tasks":[]})");
  const Answer submitted = api.call("POST", "/api/hub/tasks", {},
                                    R"({"skill":"sum","source_agent_id":"","payload":{"a":1}})");
  const std::string id(submitted.object().at("task_id").as_string());
  EXPECT_EQ(submitted.object().size(), 1U);

  const auto shown = [&] { return api.call("GET", "/api/hub/tasks/" + id); };
  EXPECT_EQ(shown().text,
            R"({"id":")" + id +
                R"(","skill":"sum","target_agent_id":"","source_agent_id":"",)"
                R"("assigned_agent_id":"","payload":{"a":1},"state":"pending","result":null,)"
                R"("error":"","created_at":1.8e+09,"updated_at":1.8e+09,"ttl":300})");
  api.now = after(api.now, 250ms);
  const Answer claimed = api.call_as("bot-1", "POST", "/api/hub/heartbeat", heartbeat);
  const auto tasks = claimed.object().at("pending_tasks").as_array();
  ASSERT_EQ(tasks.size(), 1U);
  EXPECT_EQ(tasks[0].at("id"), json::Value(id));
  EXPECT_EQ(tasks[0].at("assigned_agent_id"), "bot-1");

  const std::string completed = R"({"state":"completed","result":{"sum":3},"error":""})";
  const auto update = [&](std::string_view who, const std::string& body) {
    return api.call_as(who, "POST", "/api/hub/tasks/" + id, body);
  };
  EXPECT_EQ(update("bot-2", completed).status, 403);
  EXPECT_EQ(update("bot-1", completed).text, R"({"status":"ok"})");
  EXPECT_EQ(update("bot-1", completed).text, R"({"status":"ok"})");
  EXPECT_EQ(update("bot-1", R"({"state":"failed"})").status, 409);
  EXPECT_EQ(shown().object().at("result"), (json::Object{{"sum", 3}}));
  EXPECT_EQ(api.call("GET", "/api/hub/tasks/all").value().as_array().size(), 1U);
  EXPECT_EQ(api.call("GET", "/api/hub/tasks/unknown").object().at("error"), "not found");
  EXPECT_EQ(api.call_as("bot-1", "POST", "/api/hub/tasks/unknown", completed).object().at("error"),
            "not found");
}

TEST(HttpApi, HandsOutTheDeepestTaskWithinWhatAgentsRead) {
  ApiFixture api;
  api.call_as("bot-1", "POST", "/api/registry/agents", std::string(bot_1));
  const std::string deep =
      std::string(limits::json_depth_max - 2, '[') + std::string(limits::json_depth_max - 2, ']');
  ASSERT_EQ(api.call_as("admin", "POST", "/api/hub/tasks",
                        R"({"target_agent_id":"bot-1","payload":{"x":)" + deep + "}}")
                .status,
            200);
  const Answer answer =
      api.call_as("bot-1", "POST", "/api/hub/heartbeat", R"({"agent_id":"bot-1"})");
  const auto read = json::parse_object(answer.text, protocol::api::answer_limits);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->at("pending_tasks").as_array().size(), 1U);
}

TEST(HttpApi, BoundsTheListOfTasks) {
  ApiFixture api;
  for (int i = 0; i < 10; ++i)
    api.call_as("admin", "POST", "/api/hub/tasks",
                R"({"payload":{"text":")" + std::string(1'000'000, 'x') + R"("}})");
  EXPECT_EQ(api.call_as("admin", "GET", "/api/hub/tasks/all?limit=3").value().as_array().size(),
            3U);
  EXPECT_EQ(api.call_as("admin", "GET", "/api/hub/tasks/all").value().as_array().size(), 9U);
  for (const std::string limit : {"-1", "x", "10001", "1x"})
    EXPECT_EQ(api.call_as("admin", "GET", "/api/hub/tasks/all?limit=" + limit).status, 400);
}

TEST(HttpApi, RefusesBodiesThatAreNotWhatTheyShouldBe) {
  ApiFixture api;
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  for (const std::string path :
       {"/api/registry/agents", "/api/hub/heartbeat", "/api/hub/tasks", "/api/hub/tasks/bot-1"}) {
    for (const std::string& body :
         {std::string(), std::string("{"), std::string("null"), std::string("[]"), deep,
          std::string("{\"agent_id\":\"\xff\"}"), std::string(R"({"state":"done"})"),
          std::string(R"({"skill":1,"agent_id":{}})")}) {
      const Answer answer = api.call_as("admin", "POST", path, body);
      // A task may say nothing of what it is.
      if (path == "/api/hub/tasks" && answer.status == 200) continue;
      EXPECT_EQ(answer.status, 400) << path << ' ' << body;
      EXPECT_EQ(answer.object().at("code"), "bad_request") << path << ' ' << body;
    }
    const Answer large = api.call_as("admin", "POST", path, std::string((1 << 20) + 1, ' '));
    EXPECT_EQ(large.status, 413) << path;
  }
}

TEST(HttpApi, ShowsTheLinksThatSidecarsReport) {
  ApiFixture api;
  api.call_as("bot-1", "POST", "/api/registry/agents", std::string(bot_1));
  FakeConnection connection;
  const auto session = api.signaling.open(api.now.instant, PeerId("bot-1-sidecar"), connection);
  api.signaling.handle_text(
      api.now.instant, session,
      R"({"type":"links","peer_id":"bot-1-sidecar","payload":{"links":[{"peer_id":"bot-2-sidecar","path":"direct"}]}})");
  EXPECT_EQ(api.call_as("viewer", "GET", "/api/hub/network/topology").text,
            R"({"nodes":[{"agent_id":"bot-1","ip":"10.0.0.1","port":8000,"hostname":"h",)"
            R"("sidecar_peer_id":"bot-1-sidecar","mode":"interactive","skills_count":1,)"
            R"("health":"active","connected":true,"mesh_peers":["bot-2-sidecar"]}],)"
            R"("mesh_edges":[{"from_peer":"bot-1-sidecar","to_peer":"bot-2-sidecar",)"
            R"("path":"direct"}]})");
}

TEST(HttpApi, MakesTurnCredentialsThatExpire) {
  ApiFixture api;
  // The password is what coturn computes from its static-auth-secret.
  EXPECT_EQ(api.call_as("bot-1", "GET", "/api/config").text,
            R"({"iceServers":[{"urls":"stun:stun.example.net"},{"urls":"turn:turn.example.net",)"
            R"("username":"1800086400:mesh","credential":"ktqqLh8R489lp8488wDyFMRCgwM="}]})");
  api.ice.turn_secret.clear();
  api.ice.turn_username = "user";
  api.ice.turn_password = "pass";
  EXPECT_TRUE(api.call_as("bot-1", "GET", "/api/config")
                  .text.contains(R"("username":"user","credential":"pass")"));
  api.ice = {};
  EXPECT_EQ(api.call_as("bot-1", "GET", "/api/config").text, R"({"iceServers":[]})");
}

TEST(HttpApi, ShowsAPageWithoutScripts) {
  ApiFixture api;
  const Answer page = api.call("GET", "/");
  EXPECT_TRUE(page.text.starts_with("<!doctype html>"));
  EXPECT_TRUE(page.headers.find("content-security-policy")->second.contains("default-src 'none'"));
  EXPECT_EQ(api.call("GET", "/healthz").text, R"({"status":"ok"})");
  EXPECT_EQ(api.call("GET", "/api/version").object().at("name"), "chatixia-registry");
}

}  // namespace
}  // namespace chatixia::registry
