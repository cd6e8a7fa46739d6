#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/errc.hpp"
#include "net/http.hpp"
#include "support/raw_tcp.hpp"
#include "support/temp_dir.hpp"
#include "support/test_loop.hpp"
#include "support/tls_server.hpp"

namespace chatixia::net {
namespace {

using namespace std::chrono_literals;
using test::RawTcp;
using testing::HasSubstr;

class HttpClientTest : public testing::Test {
 protected:
  using Outcome = Result<HttpResponse>;

  Outcome call(HttpCall request) {
    std::optional<Outcome> outcome;
    http_request(loop, std::move(request), [&](Outcome result) {
      EXPECT_FALSE(outcome.has_value()) << "answered twice";
      outcome = std::move(result);
    });
    EXPECT_FALSE(outcome.has_value()) << "answered before the loop ran";
    EXPECT_TRUE(loop.run_until([&] { return outcome.has_value(); }));
    loop.run_for(2ms);
    return outcome ? *outcome : fail(std::make_error_code(std::errc::timed_out), "no answer");
  }
  Outcome get(const std::string& url) { return call({.url = *Url::parse(url)}); }

  // Answers one plain request with these bytes, whatever it asks, and closes.
  Outcome get_from(std::string_view answer, HttpCall request = {}) {
    const RawTcp listener = RawTcp::listen();
    request.url = *Url::parse("http://127.0.0.1:" + std::to_string(listener.port()));
    std::optional<Outcome> outcome;
    http_request(loop, std::move(request), [&](Outcome result) { outcome = std::move(result); });
    std::optional<RawTcp> server;
    EXPECT_TRUE(loop.run_until([&] {
      if (!server)
        if (RawTcp accepted = listener.accept()) server.emplace(std::move(accepted));
      return server && server->received().find("\r\n\r\n") != std::string::npos;
    }));
    server->send(answer);
    ::shutdown(server->fd(), SHUT_WR);
    EXPECT_TRUE(loop.run_until([&] { return outcome.has_value(); }));
    return outcome ? *outcome : fail(std::make_error_code(std::errc::timed_out), "no answer");
  }

  std::unique_ptr<HttpServer> serve(const char* local) {
    auto made =
        HttpServer::listen(loop, *Endpoint::parse(local), {},
                           {.on_request = [this](HttpRequest request, HttpResponder respond) {
                             seen = std::move(request);
                             respond({.status = 202,
                                      .content_type = "text/plain",
                                      .headers = {{"x-answer", "42"}},
                                      .body = seen.body + "!"});
                           }});
    EXPECT_TRUE(made.has_value());
    return std::move(*made);
  }

  test::TestLoop loop;
  HttpRequest seen;
};

TEST_F(HttpClientTest, AsksAndIsAnswered) {
  const auto server = serve("127.0.0.1:0");
  HttpCall request{.method = "PUT",
                   .url = *Url::parse("http://" + server->local().to_string() + "/p?q=1"),
                   .headers = {{"authorization", "Bearer t"}},
                   .body = "body"};
  const auto response = call(request);
  ASSERT_TRUE(response.has_value()) << response.error().message();
  EXPECT_EQ(response->status, 202);
  EXPECT_EQ(response->content_type, "text/plain");
  EXPECT_EQ(response->headers.find("x-answer")->second, "42");
  EXPECT_EQ(response->body, "body!");
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.path, "/p");
  EXPECT_EQ(seen.parameter("q"), "1");
  EXPECT_EQ(seen.header("authorization"), "Bearer t");
}

TEST_F(HttpClientTest, CarriesAMebibyteEachWay) {
  const auto server = serve("127.0.0.1:0");
  HttpCall request{.method = "POST",
                   .url = *Url::parse("http://" + server->local().to_string()),
                   .body = std::string(1024 * 1024, 'x')};
  const auto response = call(request);
  ASSERT_TRUE(response.has_value()) << response.error().message();
  EXPECT_EQ(response->body.size(), request.body.size() + 1);
}

TEST_F(HttpClientTest, ReachesIpv6LiteralsAndNames) {
  const auto v6 = serve("[::1]:0");
  const auto port = ":" + std::to_string(v6->local().port) + "/";
  EXPECT_TRUE(get("http://[::1]" + port).has_value());
  const auto v4 = serve("127.0.0.1:0");
  const auto response = get("http://localhost:" + std::to_string(v4->local().port));
  EXPECT_TRUE(response.has_value()) << response.error().message();
  EXPECT_THAT(std::string(seen.header("host")), HasSubstr("localhost:"));
}

TEST_F(HttpClientTest, SaysWhereAConnectionWasRefused) {
  RawTcp closed = RawTcp::listen();
  const std::string where = "127.0.0.1:" + std::to_string(closed.port());
  closed.close();
  const auto response = get("http://" + where);
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, std::errc::connection_refused);
  EXPECT_EQ(response.error().message(), "Connection refused: connect to " + where);
}

TEST_F(HttpClientTest, SaysThatANameIsUnknown) {
  const auto response = get("http://no-such-host.invalid/");
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Errc::name_unknown);
  EXPECT_THAT(response.error().message(), HasSubstr("no-such-host.invalid"));
}

TEST_F(HttpClientTest, GivesUpAtTheDeadlineInEveryPhase) {
  const RawTcp listener = RawTcp::listen();
  const std::string at = "127.0.0.1:" + std::to_string(listener.port());
  for (const std::string scheme : {"http://", "https://"}) {
    const Instant before = now();
    const auto response = call({.url = *Url::parse(scheme + at), .timeout = 50ms});
    ASSERT_FALSE(response.has_value());
    EXPECT_EQ(response.error().code, std::errc::timed_out);
    EXPECT_THAT(response.error().context, HasSubstr(scheme == "http://" ? "GET" : "TLS"));
    EXPECT_LT(now() - before, 5s);
  }
}

TEST_F(HttpClientTest, GivesUpOnAnAnswerThatTrickles) {
  const RawTcp listener = RawTcp::listen();
  std::optional<Outcome> outcome;
  const auto url = *Url::parse("http://127.0.0.1:" + std::to_string(listener.port()));
  http_request(loop, {.url = url, .timeout = 100ms},
               [&](Outcome got) { outcome = std::move(got); });
  std::optional<RawTcp> server;
  EXPECT_TRUE(loop.run_until([&] {
    if (!server)
      if (RawTcp accepted = listener.accept()) server.emplace(std::move(accepted));
    if (server) server->send("H");
    return outcome.has_value();
  }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().code, std::errc::timed_out);
}

TEST_F(HttpClientTest, ReadsEveryFormOfBody) {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  const auto body = [&](const std::string& text) {
    const auto response = get_from(text);
    return response ? response->body : response.error().message();
  };
  EXPECT_EQ(body(head + "Content-Length: 3\r\n\r\nabc"), "abc");
  EXPECT_EQ(body(head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "abc");
  EXPECT_EQ(body(head + "\r\nuntil the end"), "until the end");
  EXPECT_EQ(body("HTTP/1.1 204 No Content\r\n\r\n"), "");
}

TEST_F(HttpClientTest, NeedsNoBodyForHead) {
  const auto response =
      get_from("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", {.method = "HEAD", .url = {}});
  EXPECT_TRUE(response.has_value());
}

TEST_F(HttpClientTest, RefusesBrokenAnswers) {
  for (const char* answer :
       {"", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    const auto response = get_from(answer);
    ASSERT_FALSE(response.has_value()) << answer;
    EXPECT_EQ(response.error().code, Errc::bad_response) << answer;
  }
}

TEST_F(HttpClientTest, BoundsTheBody) {
  const std::string body(2000, 'x');
  for (const std::string head :
       {"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"}) {
    const auto response = get_from(head + body, {.url = {}, .body_bytes_max = 1999});
    ASSERT_FALSE(response.has_value());
    EXPECT_EQ(response.error().code, Errc::response_too_large);
    EXPECT_TRUE(get_from(head + body, {.url = {}, .body_bytes_max = 2000}).has_value());
  }
}

TEST_F(HttpClientTest, RefusesToSendForgedHeaders) {
  const auto server = serve("127.0.0.1:0");
  HttpCall request{.url = *Url::parse("http://" + server->local().to_string())};
  request.headers.emplace("x", "a\r\nb: c");
  const auto response = call(request);
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Errc::bad_request);
}

TEST_F(HttpClientTest, IsForgottenWithTheLoop) {
  auto own = std::make_unique<test::TestLoop>();
  const RawTcp listener = RawTcp::listen();
  bool gone = false;
  for (const std::string host : {"127.0.0.1", "localhost", "name.invalid"})
    http_request(*own,
                 {.url = *Url::parse("http://" + host + ":" + std::to_string(listener.port()))},
                 [&](const Outcome&) { EXPECT_FALSE(gone); });
  own->run_for(0ms);
  gone = true;
  own.reset();
}

TEST(Resolve, AnswersLiteralsAndNames) {
  test::TestLoop loop;
  std::vector<std::string> found;
  int answers = 0;
  for (const char* host : {"127.0.0.3", "::1", "localhost"})
    resolve(loop, host, [&](const Result<std::vector<IpAddress>>& addresses) {
      ++answers;
      if (!addresses) return;
      for (const auto& ip : *addresses) found.push_back(ip.to_string());
    });
  EXPECT_EQ(answers, 0);
  ASSERT_TRUE(loop.run_until([&] { return answers == 3; }));
  EXPECT_THAT(found, testing::IsSupersetOf({"127.0.0.3", "::1", "127.0.0.1"}));
}

TEST(Resolve, AnswersMoreNamesThanItHasThreads) {
  test::TestLoop loop;
  int answers = 0;
  for (int i = 0; i < 100; ++i)
    resolve(loop, "localhost", [&](const auto& found) { answers += found.has_value() ? 1 : 0; });
  EXPECT_TRUE(loop.run_until([&] { return answers == 100; }));
}

// The system's store is what SSL_CERT_FILE says.
class TlsTest : public HttpClientTest {
 protected:
  TlsTest() { trust(certificate); }
  void TearDown() override { ::unsetenv("SSL_CERT_FILE"); }

  void trust(const test::TestCertificate& trusted) const {
    trusted.save(directory.path("store.pem"));
    ::setenv("SSL_CERT_FILE", directory.path("store.pem").c_str(), 1);
  }
  Outcome get_secure(const test::TlsServer& server, const std::string& host) {
    return get("https://" + host + ":" + std::to_string(server.port()) + "/");
  }

  test::TempDir directory;
  test::TestCertificate certificate{"DNS:localhost,IP:127.0.0.1"};
  static constexpr const char* answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
};

TEST_F(TlsTest, TrustsTheStoreAndNamesTheHost) {
  const test::TlsServer server(certificate, answer);
  const auto response = get_secure(server, "localhost");
  ASSERT_TRUE(response.has_value()) << response.error().message();
  EXPECT_EQ(response->body, "ok");
  EXPECT_EQ(server.server_name(), "localhost");
}

TEST_F(TlsTest, ChecksAddressesToo) {
  const test::TlsServer server(certificate, answer);
  const auto response = get_secure(server, "127.0.0.1");
  ASSERT_TRUE(response.has_value()) << response.error().message();
  EXPECT_EQ(server.server_name(), "");
}

TEST_F(TlsTest, RefusesACertificateForAnotherHost) {
  const test::TestCertificate other("DNS:other.example");
  trust(other);
  const test::TlsServer server(other, answer);
  const auto response = get_secure(server, "localhost");
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Errc::tls_failed);
  EXPECT_THAT(response.error().message(), HasSubstr("hostname mismatch"));
  EXPECT_EQ(server.request(), "");
}

TEST_F(TlsTest, RefusesACertificateThatNobodyVouchesFor) {
  const test::TestCertificate stranger("DNS:localhost");
  const test::TlsServer server(stranger, answer);
  const auto response = get_secure(server, "localhost");
  ASSERT_FALSE(response.has_value());
  EXPECT_THAT(response.error().message(), HasSubstr("self-signed certificate"));
}

TEST_F(TlsTest, RefusesOldVersions) {
  const test::TlsServer server(certificate, answer, TLS1_1_VERSION);
  const auto response = get_secure(server, "localhost");
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Errc::tls_failed);
}

}  // namespace
}  // namespace chatixia::net
