#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http.hpp"
#include "support/raw_tcp.hpp"
#include "support/test_loop.hpp"

namespace chatixia::net {
namespace {

using namespace std::chrono_literals;
using test::RawTcp;
using testing::HasSubstr;

class HttpServerTest : public testing::Test {
 protected:
  void SetUp() override { listen(); }

  void listen() {
    server.reset();
    auto made =
        HttpServer::listen(loop, *Endpoint::parse("127.0.0.1:0"), options,
                           {.on_request = [this](HttpRequest request, HttpResponder respond) {
                             requests.push_back(std::move(request));
                             on_request(requests.back(), std::move(respond));
                           }});
    ASSERT_TRUE(made.has_value()) << made.error().message();
    server = std::move(*made);
  }

  RawTcp connect() const { return RawTcp::connect(server->local().port); }

  // What the server says to `text` on a connection of its own, until it closes.
  std::string answer_to(std::string_view text) {
    RawTcp client = connect();
    client.send(text);
    EXPECT_TRUE(loop.run_until([&] { return client.ended(); }));
    return client.received();
  }

  test::TestLoop loop;
  HttpServer::Options options;
  std::vector<HttpRequest> requests;
  std::function<void(const HttpRequest&, HttpResponder)> on_request = [](const HttpRequest& request,
                                                                         HttpResponder respond) {
    respond({.body = "<" + request.path + ">"});
  };
  std::unique_ptr<HttpServer> server;
};

constexpr std::string_view simple = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
constexpr std::string_view last = "GET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

int count(const std::string& text, std::string_view part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST_F(HttpServerTest, HandsOnTheWholeRequest) {
  const std::string text = answer_to(
      "POST /x%20y?token=abc&token=d HTTP/1.1\r\nHost: h\r\nX-Thing: One\r\nContent-Length: 5\r\n"
      "Connection: close\r\n\r\nhello");
  EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(text.ends_with("\r\n\r\n</x y>"));
  ASSERT_EQ(requests.size(), 1U);
  const HttpRequest& request = requests[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.parameter("token"), "abc");
  EXPECT_EQ(request.parameter("none"), "");
  EXPECT_EQ(request.header("x-thing"), "One");
  EXPECT_EQ(request.body, "hello");
  EXPECT_EQ(request.remote.ip.to_string(), "127.0.0.1");
  EXPECT_NE(request.remote.port, 0);
}

TEST_F(HttpServerTest, JoinsChunkedBodies) {
  answer_to(
      "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].body, "abcde");
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  std::vector<HttpResponder> waiting;
  on_request = [&](const HttpRequest&, HttpResponder respond) {
    waiting.push_back(std::move(respond));
  };
  RawTcp client = connect();
  client.send(std::string(simple) + std::string(last));
  ASSERT_TRUE(loop.run_until([&] { return waiting.size() == 1; }));
  loop.run_for(5ms);
  EXPECT_EQ(waiting.size(), 1U) << "the second waits for the first";
  waiting[0]({.body = "first"});
  ASSERT_TRUE(loop.run_until([&] { return waiting.size() == 2; }));
  waiting[1]({.body = "second"});
  ASSERT_TRUE(loop.run_until([&] { return client.ended(); }));
  EXPECT_LT(client.received().find("first"), client.received().find("second"));
}

TEST_F(HttpServerTest, KeepsConnectionsAliveAsAskedFor) {
  RawTcp client = connect();
  for (int i = 1; i <= 3; ++i) {
    client.send(simple);
    ASSERT_TRUE(loop.run_until([&] { return count(client.received(), "</a>") == i; }));
  }
  client.send("GET /old HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(loop.run_until([&] { return client.ended(); }));
  EXPECT_TRUE(client.received().ends_with("</old>"));
}

TEST_F(HttpServerTest, AnswersHeadWithoutTheBody) {
  const std::string text = answer_to("HEAD /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(text, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_TRUE(text.ends_with("\r\n\r\n"));
  EXPECT_EQ(requests.at(0).method, "GET");
}

TEST_F(HttpServerTest, AsksForABodyThatTheClientHoldsBack) {
  RawTcp client = connect();
  client.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(loop.run_until([&] { return client.received() == "HTTP/1.1 100 Continue\r\n\r\n"; }));
  client.send("ok");
  ASSERT_TRUE(loop.run_until([&] { return count(client.received(), "</a>") == 1; }));
  EXPECT_EQ(requests.at(0).body, "ok");
}

TEST_F(HttpServerTest, RefusesMalformedRequests) {
  // RFC 9112, section 6.1: the classic of request smuggling, in both orders.
  constexpr const char* length_and_chunks =
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  constexpr const char* chunks_and_length =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
      "Content-Length: 3\r\n\r\n0\r\n\r\n";
  for (const char* text : {
           "\x16\x03\x01\x02 hello\r\n\r\n",
           "GET\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/3.0\r\nHost: h\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
           "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
           "GET / HTTP/1.1\nHost: h\n\n",
           "GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
           "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n",
           "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
           "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 2\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
           length_and_chunks,
           chunks_and_length,
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       }) {
    const std::string answer = answer_to(text);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << text << answer;
    EXPECT_THAT(answer, HasSubstr(R"("code":"bad_request")"));
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  }
  EXPECT_TRUE(requests.empty());
}

TEST_F(HttpServerTest, RefusesHeadersAboveTheLimit) {
  const std::string answer =
      answer_to("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(17 * 1024, 'x') + "\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 2000; ++i) many += "X: y\r\nLonger: z\r\n";
  EXPECT_TRUE(answer_to(many + "\r\n").starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(answer_to(std::string(100'000, 'A')).starts_with("HTTP/1.1 4"));
}

TEST_F(HttpServerTest, RefusesBodiesAboveTheLimitThoughTheClientStillSends) {
  options.body_bytes_max = 1000;
  listen();
  const std::string big(200'000, 'x');
  const std::string declared =
      answer_to("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n" + big);
  EXPECT_TRUE(declared.starts_with("HTTP/1.1 413 ")) << declared;
  EXPECT_THAT(declared, HasSubstr(R"("code":"too_large")"));
  const std::string chunked =
      answer_to("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" + big);
  EXPECT_TRUE(chunked.starts_with("HTTP/1.1 413 ")) << chunked;

  const std::string fits =
      answer_to("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n" +
                std::string(1000, 'x'));
  EXPECT_TRUE(fits.starts_with("HTTP/1.1 200 ")) << fits;
}

TEST_F(HttpServerTest, GivesUpOnSlowRequests) {
  options.request_timeout = 100ms;
  listen();
  RawTcp silent = connect();
  RawTcp in_header = connect();
  RawTcp in_body = connect();
  in_header.send("GET / HT");
  in_body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  // Each byte on its own must not buy more time.
  Timer* self = nullptr;
  Timer drip(loop, [&] {
    in_body.send("x");
    self->expires_after(40ms);
  });
  self = &drip;
  drip.expires_after(40ms);
  ASSERT_TRUE(
      loop.run_until([&] { return silent.ended() && in_header.ended() && in_body.ended(); }, 5s));
  EXPECT_EQ(silent.received(), "");
  EXPECT_TRUE(in_header.received().starts_with("HTTP/1.1 408 ")) << in_header.received();
  EXPECT_TRUE(in_body.received().starts_with("HTTP/1.1 408 ")) << in_body.received();
}

TEST_F(HttpServerTest, GivesHandlersTheTimeTheyNeed) {
  options.request_timeout = 30ms;
  listen();
  std::optional<HttpResponder> waiting;
  on_request = [&](const HttpRequest&, HttpResponder respond) { waiting = std::move(respond); };
  RawTcp client = connect();
  client.send(last);
  ASSERT_TRUE(loop.run_until([&] { return waiting.has_value(); }));
  loop.run_for(100ms);
  EXPECT_FALSE(client.ended());
  (*waiting)({.body = "late"});
  ASSERT_TRUE(loop.run_until([&] { return client.ended(); }));
  EXPECT_TRUE(client.received().ends_with("late"));
}

TEST_F(HttpServerTest, AnswersForAHandlerThatForgets) {
  on_request = [](const HttpRequest&, const HttpResponder&) {};
  const std::string text = answer_to(last);
  EXPECT_TRUE(text.starts_with("HTTP/1.1 500 ")) << text;
  EXPECT_THAT(text, HasSubstr(R"("code":"internal")"));
}

TEST_F(HttpServerTest, AnswersThoughNobodyHandlesRequests) {
  server = *HttpServer::listen(loop, *Endpoint::parse("127.0.0.1:0"), options, {});
  EXPECT_TRUE(answer_to(last).starts_with("HTTP/1.1 404 "));
}

TEST_F(HttpServerTest, LetsAResponderGoToAnotherRequest) {
  std::optional<HttpResponder> waiting;
  on_request = [&](const HttpRequest&, HttpResponder respond) { waiting = std::move(respond); };
  RawTcp first = connect();
  first.send(last);
  ASSERT_TRUE(loop.run_until([&] { return waiting.has_value(); }));
  RawTcp second = connect();
  second.send(last);
  ASSERT_TRUE(loop.run_until([&] { return first.ended(); }));
  EXPECT_TRUE(first.received().starts_with("HTTP/1.1 500 "));
  (*waiting)({.status = 201});
  ASSERT_TRUE(loop.run_until([&] { return second.ended(); }));
  EXPECT_TRUE(second.received().starts_with("HTTP/1.1 201 "));
}

TEST_F(HttpServerTest, BoundsItsConnections) {
  options.connections_max = 2;
  listen();
  std::vector<RawTcp> clients;
  clients.reserve(3);
  for (int i = 0; i < 3; ++i) clients.push_back(connect());
  ASSERT_TRUE(loop.run_until([&] { return clients[2].ended(); }));
  EXPECT_TRUE(clients[2].received().starts_with("HTTP/1.1 503 ")) << clients[2].received();
  clients[0].close();
  loop.run_for(10ms);
  EXPECT_TRUE(answer_to(last).starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, LetsRequestsUnderWayFinishWhenItShutsDown) {
  std::optional<HttpResponder> waiting;
  on_request = [&](const HttpRequest&, HttpResponder respond) { waiting = std::move(respond); };
  RawTcp busy = connect();
  RawTcp idle = connect();
  busy.send(simple);
  ASSERT_TRUE(loop.run_until([&] { return waiting.has_value(); }));
  server->shut_down();
  ASSERT_TRUE(loop.run_until([&] { return idle.ended(); }));
  EXPECT_FALSE(busy.ended());
  EXPECT_FALSE(connect());
  (*waiting)({.body = "done"});
  ASSERT_TRUE(loop.run_until([&] { return busy.ended(); }));
  EXPECT_TRUE(busy.received().ends_with("done"));
  EXPECT_THAT(busy.received(), HasSubstr("Connection: close"));
}

TEST_F(HttpServerTest, MayBeDestroyedByAHandlerAndWithAnswersOutstanding) {
  std::optional<HttpResponder> waiting;
  on_request = [&](const HttpRequest& request, HttpResponder respond) {
    waiting = std::move(respond);
    if (request.path == "/b") server.reset();
  };
  RawTcp first = connect();
  first.send(simple);
  ASSERT_TRUE(loop.run_until([&] { return waiting.has_value(); }));
  const auto kept = std::make_shared<HttpResponder>(std::move(*waiting));
  RawTcp second = connect();
  second.send(last);
  ASSERT_TRUE(loop.run_until([&] { return first.ended() && second.ended(); }));
  (*kept)({.body = "to nobody"});
  loop.run_for(5ms);
  EXPECT_EQ(first.received() + second.received(), "");
}

TEST_F(HttpServerTest, SurvivesTheLoopWithRequestsUnderWay) {
  auto own = std::make_unique<test::TestLoop>();
  auto made = HttpServer::listen(*own, *Endpoint::parse("127.0.0.1:0"), {}, {});
  ASSERT_TRUE(made.has_value());
  const RawTcp client = RawTcp::connect((*made)->local().port);
  client.send("GET / HT");
  own->run_for(5ms);
  made->reset();
  own.reset();
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  const auto again = HttpServer::listen(loop, server->local(), {}, {});
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, std::errc::address_in_use);
  EXPECT_THAT(again.error().message(), HasSubstr(server->local().to_string()));
}

}  // namespace
}  // namespace chatixia::net
