#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "json/json.hpp"
#include "net/http.hpp"
#include "registry/bus.hpp"
#include "registry/http_api.hpp"
#include "registry/key_file.hpp"
#include "registry/local_bus.hpp"
#include "registry/memory_store.hpp"
#include "registry/private_file.hpp"
#include "support/temp_dir.hpp"

// What the tests of the registry share.
namespace chatixia::registry {

// 2027-01-15T08:00:00Z, and an instant that is not zero.
inline Moment test_start() {
  return {.instant = Instant{} + std::chrono::hours(1),
          .wall = WallTime{} + std::chrono::seconds(1'800'000'000)};
}

inline Moment after(const Moment& moment, Duration passed) {
  return {.instant = moment.instant + passed, .wall = moment.wall + passed};
}

inline Principal as_agent(std::string_view peer) {
  return {.peer = PeerId(std::string(peer)), .role = Role::agent};
}
inline Principal as_admin() {
  return {.peer = PeerId("admin"), .role = Role::admin};
}

// Takes the outcome of a change.
class Outcome {
 public:
  Store::Done done() {
    return [this](Result<void> result) { result_ = std::move(result); };
  }
  bool ok() const { return result_ && result_->has_value(); }
  std::error_code code() const {
    return result_ && !result_->has_value() ? result_->error().code : std::error_code();
  }

 private:
  std::optional<Result<void>> result_;
};

// A peer's connection that remembers.
class FakeConnection final : public Bus::Connection {
 public:
  bool deliver(std::string envelope) override {
    if (is_full) return false;
    sent.push_back(std::move(envelope));
    return true;
  }
  void close(std::uint16_t code, std::string) override { closed_with = code; }

  json::Object last() const { return json::parse_object(sent.at(sent.size() - 1), {}).value(); }

  std::vector<std::string> sent;
  std::optional<std::uint16_t> closed_with;
  bool is_full = false;
};

// Keeps the answer to one request.
struct Answer {
  int status = 0;
  net::Headers headers;
  std::string text;

  json::Value value() const { return json::parse(text, {.bytes_max = 64 << 20}).value(); }
  json::Object object() const { return value().as_object(); }
};

class AnswerSink final : public net::HttpResponder::Sink {
 public:
  explicit AnswerSink(Answer& answer) : answer_(answer) {}
  void respond(net::HttpResponse response) override {
    answer_ = {response.status, std::move(response.headers), std::move(response.body)};
  }

 private:
  Answer& answer_;
};

// A registry without sockets: one key of each role, requests in, answers out.
class ApiFixture {
 public:
  static constexpr std::string_view secret = "0123456789abcdef0123456789abcdef";

  explicit ApiFixture(HttpApi::Anonymous anonymous = HttpApi::Anonymous::nowhere)
      : keys_(write_and_open()),
        api({authenticator_, directory, tasks, signaling, ice}, anonymous) {}

  // The key of a role is "ak_" and its name twice; the agents are bot-1 and bot-2.
  static std::string key_of(std::string_view name) {
    return "ak_" + std::string(name) + std::string(name);
  }

  Answer call(std::string method, std::string path, net::Headers headers = {},
              std::string body = {}) {
    net::HttpRequest request{.method = std::move(method),
                             .path = std::move(path),
                             .headers = std::move(headers),
                             .body = std::move(body),
                             .remote = Endpoint{IpAddress::v4(0x7f000001), 50000}};
    if (const auto query = request.path.find('?'); query != std::string::npos) {
      const std::string text = request.path.substr(query + 1);
      const auto equals = text.find('=');
      request.query.emplace(text.substr(0, equals), text.substr(equals + 1));
      request.path.resize(query);
    }
    if (!request.headers.contains("host")) request.headers.emplace("host", "localhost:8080");
    Answer answer;
    api.handle(now, request, net::HttpResponder(std::make_shared<AnswerSink>(answer)));
    return answer;
  }
  // With the key of a role or agent.
  Answer call_as(std::string_view name, std::string method, std::string path,
                 std::string body = {}) {
    return call(std::move(method), std::move(path), {{"x-api-key", key_of(name)}}, std::move(body));
  }

  Moment now = test_start();
  test::TempDir files;
  SeededRandom random{1};
  MemoryStore store;
  LocalBus bus;
  Tokens tokens_of_registry{std::string(secret)};
  IceConfig ice{.stun_urls = {"stun:stun.example.net"},
                .turn_urls = {"turn:turn.example.net"},
                .turn_secret = "turn-test"};

 private:
  KeyFile write_and_open() const {
    json::Object keys;
    const auto add = [&](std::string_view name, std::string_view role) {
      keys.emplace(key_of(name), json::Object{{"peer_id", name}, {"role", role}});
    };
    add("viewer", "viewer");
    add("operator", "operator");
    add("admin", "admin");
    add("bot-1", "agent");
    add("bot-2", "agent");
    const std::string text = json::encode(json::Object{{"keys", std::move(keys)}});
    EXPECT_TRUE(write_private_file(files.path("keys.json"), text, IfPresent::replace));
    return KeyFile::open(files.path("keys.json"), now.instant).value();
  }
  KeyFile keys_;
  Authenticator authenticator_{keys_, tokens_of_registry};

 public:
  Directory directory{store, bus,
                      [this](const PeerId& peer) { return keys_.keys(now.instant).names(peer); }};
  TaskBoard tasks{store, bus, directory, random};
  SignalingHub signaling{bus};
  HttpApi api;
};

}  // namespace chatixia::registry
