#include "net/websocket.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/errc.hpp"
#include "net/http.hpp"
#include "support/raw_tcp.hpp"
#include "support/test_loop.hpp"

namespace chatixia::net {
namespace {

using namespace std::chrono_literals;
using test::RawTcp;
using testing::HasSubstr;

enum Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close_frame = 8,
  ping = 9,
  pong = 10
};

// A client's frame of less than 64 KiB, masked with zeros: RFC 6455, section 5.2.
std::string frame(Opcode opcode, std::string_view payload, bool final = true) {
  std::string out;
  out += static_cast<char>((final ? 0x80 : 0) | opcode);
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  out += std::string(4, '\0');
  return out += payload;
}

// A short frame of a server.
std::string server_frame(Opcode opcode, std::string_view payload) {
  return std::string{static_cast<char>(0x80 | opcode), static_cast<char>(payload.size())} +
         std::string(payload);
}

std::string close_payload(int code) {
  return {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
}

class WebSocketTest : public testing::Test {
 protected:
  struct End {
    std::shared_ptr<WebSocket> socket;
    std::vector<std::string> texts;
    std::optional<std::uint16_t> code;
    std::string reason;

    void start() {
      socket->start({.on_text = [this](std::string_view got) { texts.emplace_back(got); },
                     .on_closed =
                         [this](std::uint16_t got, std::string why) {
                           EXPECT_FALSE(code.has_value());
                           code = got;
                           reason = std::move(why);
                         }});
    }
  };
  using Opened = Result<std::shared_ptr<WebSocket>>;

  void listen() {
    auto made = HttpServer::listen(
        loop, *Endpoint::parse("127.0.0.1:0"), server_options,
        {.on_request = [](const HttpRequest&, HttpResponder respond) { respond({.status = 404}); },
         .on_upgrade = [this](const HttpRequest& request) -> std::optional<HttpResponse> {
           seen = request;
           if (request.path == "/ws") return std::nullopt;
           return HttpResponse{.status = 401, .body = "{}"};
         },
         .on_websocket =
             [this](const HttpRequest&, std::shared_ptr<WebSocket> socket) {
               server.socket = std::move(socket);
               if (starts_server) server.start();
             }});
    ASSERT_TRUE(made.has_value());
    http = std::move(*made);
  }

  Opened open(const std::string& target, const std::string& bearer = "") {
    std::optional<Opened> opened;
    const auto url = *Url::parse("ws://" + http->local().to_string() + target);
    WebSocket::connect(loop, url, bearer, client_options, [&](Opened result) {
      EXPECT_FALSE(opened.has_value());
      opened = std::move(result);
    });
    EXPECT_FALSE(opened.has_value());
    EXPECT_TRUE(loop.run_until([&] { return opened.has_value(); }));
    return opened ? *opened : fail(std::make_error_code(std::errc::timed_out));
  }

  void connect() {
    listen();
    auto opened = open("/ws");
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    client.socket = std::move(*opened);
    client.start();
    ASSERT_TRUE(loop.run_until([&] { return server.socket != nullptr; }));
  }

  // A client that says what it likes; past the upgrade.
  std::unique_ptr<RawTcp> connect_raw() {
    listen();
    auto raw = std::make_unique<RawTcp>(RawTcp::connect(http->local().port));
    raw->send(
        "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    EXPECT_TRUE(loop.run_until([&] { return server.socket != nullptr; }));
    return raw;
  }
  // What the server said after its answer to the upgrade.
  static std::string frames_of(RawTcp& raw) {
    const std::string& all = raw.received();
    const auto end = all.find("\r\n\r\n");
    return end == std::string::npos ? "" : all.substr(end + 4);
  }

  test::TestLoop loop;
  HttpServer::Options server_options;
  WebSocket::Options client_options;
  bool starts_server = true;
  HttpRequest seen;
  End client, server;
  std::unique_ptr<HttpServer> http;
};

TEST_F(WebSocketTest, CarriesTextBothWays) {
  connect();
  const std::string large(limits::signal_bytes_max, 'x');
  EXPECT_TRUE(client.socket->send_text("hello"));
  EXPECT_TRUE(client.socket->send_text(""));
  EXPECT_TRUE(client.socket->send_text(large));
  EXPECT_TRUE(server.socket->send_text("grüße"));
  EXPECT_TRUE(server.socket->send_text(large));
  ASSERT_TRUE(loop.run_until([&] { return server.texts.size() == 3 && client.texts.size() == 2; }));
  EXPECT_EQ(server.texts, (std::vector<std::string>{"hello", "", large}));
  EXPECT_EQ(client.texts, (std::vector<std::string>{"grüße", large}));
}

TEST_F(WebSocketTest, KeepsTheOrderOfManyMessages) {
  connect();
  constexpr int count = 5000;
  for (int i = 0; i < count; ++i) ASSERT_TRUE(server.socket->send_text(std::to_string(i)));
  ASSERT_TRUE(loop.run_until([&] { return client.texts.size() == count; }));
  for (int i = 0; i < count; ++i)
    ASSERT_EQ(client.texts[static_cast<std::size_t>(i)], std::to_string(i));
}

TEST_F(WebSocketTest, ShowsTheServerTokenAndHeaders) {
  listen();
  const auto opened = open("/ws?token=a.b-c_d&x=%2F", "secret");
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(seen.parameter("token"), "a.b-c_d");
  EXPECT_EQ(seen.parameter("x"), "/");
  EXPECT_EQ(seen.header("authorization"), "Bearer secret");
}

TEST_F(WebSocketTest, NamesTheStatusOfARefusal) {
  listen();
  const auto opened = open("/elsewhere");
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Errc::upgrade_refused);
  EXPECT_EQ(opened.error().context, "HTTP 401");
}

TEST_F(WebSocketTest, NamesThePhaseThatFailed) {
  listen();
  http.reset();
  RawTcp closed = RawTcp::listen();
  const std::string port = std::to_string(closed.port());
  closed.close();
  for (const auto& [url, phase] : std::vector<std::pair<std::string, std::string>>{
           {"ws://no-such-host.invalid/", "no-such-host.invalid"},
           {"ws://127.0.0.1:" + port, "connect to 127.0.0.1:" + port}}) {
    std::optional<Opened> opened;
    WebSocket::connect(loop, *Url::parse(url), "", {},
                       [&](Opened result) { opened = std::move(result); });
    ASSERT_TRUE(loop.run_until([&] { return opened.has_value(); }));
    ASSERT_FALSE(opened->has_value());
    EXPECT_THAT(opened->error().message(), HasSubstr(phase));
  }
}

TEST_F(WebSocketTest, RefusesAServerThatDoesNotSpeakIt) {
  const RawTcp listener = RawTcp::listen();
  std::optional<Opened> opened;
  WebSocket::connect(loop, *Url::parse("ws://127.0.0.1:" + std::to_string(listener.port())), "", {},
                     [&](Opened result) { opened = std::move(result); });
  std::optional<RawTcp> peer;
  ASSERT_TRUE(loop.run_until([&] {
    if (!peer)
      if (RawTcp accepted = listener.accept()) peer.emplace(std::move(accepted));
    return peer && peer->received().find("\r\n\r\n") != std::string::npos;
  }));
  peer->send(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: wrong\r\n\r\n");
  ASSERT_TRUE(loop.run_until([&] { return opened.has_value(); }));
  EXPECT_FALSE(opened->has_value());
}

TEST_F(WebSocketTest, TellsBothSidesCodeAndReasonOfAClose) {
  connect();
  EXPECT_TRUE(server.socket->send_text("before"));
  server.socket->close(4401, "token expired");
  EXPECT_FALSE(server.socket->send_text("after"));
  EXPECT_FALSE(server.code.has_value());
  ASSERT_TRUE(loop.run_until([&] { return client.code && server.code; }));
  EXPECT_EQ(client.texts, std::vector<std::string>{"before"});
  EXPECT_EQ(client.code, 4401);
  EXPECT_EQ(client.reason, "token expired");
  EXPECT_EQ(server.code, 4401);
}

TEST_F(WebSocketTest, CutsAReasonThatIsTooLongBetweenCharacters) {
  connect();
  std::string reason(122, 'r');
  server.socket->close(4000, reason + "ü and more");
  ASSERT_TRUE(loop.run_until([&] { return client.code.has_value(); }));
  EXPECT_EQ(client.reason, reason);
}

TEST_F(WebSocketTest, SaysGoodbyeWhenItIsDropped) {
  connect();
  server.socket = nullptr;
  ASSERT_TRUE(loop.run_until([&] { return client.code.has_value(); }));
  EXPECT_EQ(client.code, 1001);
  loop.run_for(5ms);
  EXPECT_FALSE(server.code.has_value());
}

TEST_F(WebSocketTest, MayBeDroppedByItsHandlers) {
  connect();
  client.socket->close(1000, "");
  ASSERT_TRUE(loop.run_until([&] { return server.code.has_value(); }));
  for (const bool in_text : {true, false}) {
    starts_server = false;
    server = {};
    client = {};
    auto opened = open("/ws");
    ASSERT_TRUE(opened.has_value());
    ASSERT_TRUE(loop.run_until([&] { return server.socket != nullptr; }));
    bool dropped = false;
    const auto drop = [&] {
      dropped = true;
      server.socket = nullptr;
    };
    server.socket->start({.on_text = [&](std::string_view) { drop(); },
                          .on_closed = [&](std::uint16_t, const std::string&) { drop(); }});
    if (in_text)
      EXPECT_TRUE((*opened)->send_text("x"));
    else
      (*opened)->close(1000, "");
    ASSERT_TRUE(loop.run_until([&] { return dropped; }));
    loop.run_for(5ms);
  }
}

TEST_F(WebSocketTest, ReportsALostConnectionAs1006) {
  auto raw = connect_raw();
  raw->close();
  ASSERT_TRUE(loop.run_until([&] { return server.code.has_value(); }));
  EXPECT_EQ(server.code, 1006);
}

TEST_F(WebSocketTest, OffersNoCompression) {
  auto raw = connect_raw();
  EXPECT_THAT(raw->received(), testing::Not(HasSubstr("Extensions")));
  EXPECT_THAT(raw->received(), HasSubstr("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));  // RFC 6455, section 1.3
}

TEST_F(WebSocketTest, JoinsFragmentsAndAnswersPingsBetweenThem) {
  auto raw = connect_raw();
  raw->send(frame(text, "one ", false) + frame(ping, "p") + frame(continuation, "two"));
  ASSERT_TRUE(loop.run_until([&] { return server.texts.size() == 1; }));
  EXPECT_EQ(server.texts[0], "one two");
  ASSERT_TRUE(loop.run_until([&] { return frames_of(*raw) == server_frame(pong, "p"); }));
}

struct Violation {
  const char* name;
  std::string bytes;
  std::uint16_t code;
};
void PrintTo(const Violation& violation, std::ostream* out) {
  *out << violation.name;
}

class WebSocketViolation : public WebSocketTest, public testing::WithParamInterface<Violation> {};

TEST_P(WebSocketViolation, EndsTheConnectionWithItsCode) {
  server_options.websocket.message_bytes_max = 1000;
  auto raw = connect_raw();
  raw->send(GetParam().bytes);
  ASSERT_TRUE(loop.run_until([&] { return frames_of(*raw).size() >= 4; }));
  const std::string said = frames_of(*raw);
  EXPECT_EQ(said[0], static_cast<char>(0x80 | close_frame));
  EXPECT_EQ(said.substr(2, 2), close_payload(GetParam().code));
  raw->send(frame(close_frame, close_payload(GetParam().code)));
  raw->close();
  ASSERT_TRUE(loop.run_until([&] { return server.code.has_value(); }));
  EXPECT_EQ(server.code, GetParam().code);
  EXPECT_TRUE(server.texts.empty());
}

INSTANTIATE_TEST_SUITE_P(
    WebSocket, WebSocketViolation,
    testing::Values(
        Violation{"binary", frame(binary, "x"), 1003},
        Violation{"invalid UTF-8", frame(text, "\xff"), 1007},
        Violation{"half a character", frame(text, "\xc3"), 1007},
        Violation{"surrogate", frame(text, "\xed\xa0\x80"), 1007},
        Violation{"too big", frame(text, std::string(1001, 'x')), 1009},
        Violation{
            "too big in fragments",
            frame(text, std::string(600, 'x'), false) + frame(continuation, std::string(600, 'x')),
            1009},
        Violation{"length of 2^63", std::string("\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14), 1009},
        Violation{"not masked", std::string("\x81\x01x", 3), 1002},
        Violation{"reserved bit", std::string("\xc1\x81\0\0\0\0x", 7), 1002},
        Violation{"reserved opcode", std::string("\x83\x80\0\0\0\0", 6), 1002},
        Violation{"long ping", std::string("\x89\xfe\0\x7e\0\0\0\0", 8), 1002},
        Violation{"fragmented ping", frame(ping, "", false), 1002},
        Violation{"continuation of nothing", frame(continuation, "x"), 1002},
        Violation{"text within text", frame(text, "a", false) + frame(text, "b"), 1002}));

TEST_F(WebSocketTest, TakesAMessageOfTheLargestSize) {
  server_options.websocket.message_bytes_max = 1000;
  auto raw = connect_raw();
  raw->send(frame(text, std::string(1000, 'x')));
  EXPECT_TRUE(loop.run_until([&] { return server.texts.size() == 1; }));
}

TEST_F(WebSocketTest, ReadsTheCodeOfTheOtherSidesClose) {
  auto raw = connect_raw();
  raw->send(frame(close_frame, close_payload(4242) + "why"));
  ASSERT_TRUE(loop.run_until([&] { return server.code.has_value(); }));
  EXPECT_EQ(server.code, 4242);
  EXPECT_EQ(server.reason, "why");
}

TEST_F(WebSocketTest, CallsACloseWithoutCode1005) {
  auto raw = connect_raw();
  raw->send(frame(close_frame, ""));
  ASSERT_TRUE(loop.run_until([&] { return server.code.has_value(); }));
  EXPECT_EQ(server.code, 1005);
}

TEST_F(WebSocketTest, PingsAQuietPeerThenGivesUp) {
  server_options.websocket.ping_after = 50ms;
  auto raw = connect_raw();
  const Instant before = now();
  ASSERT_TRUE(loop.run_until([&] { return frames_of(*raw) == server_frame(ping, ""); }));
  EXPECT_FALSE(server.code.has_value());
  ASSERT_TRUE(loop.run_until([&] { return server.code.has_value(); }));
  EXPECT_EQ(server.code, 1006);
  EXPECT_GE(now() - before, 80ms);
}

TEST_F(WebSocketTest, StaysOpenWhilePingsAreAnswered) {
  server_options.websocket.ping_after = 20ms;
  connect();
  loop.run_for(200ms);
  EXPECT_FALSE(server.code.has_value());
  EXPECT_TRUE(client.socket->send_text("still here"));
  EXPECT_TRUE(loop.run_until([&] { return server.texts.size() == 1; }));
}

TEST_F(WebSocketTest, ClosesOnAReaderThatIsTooSlow) {
  server_options.websocket.queue_bytes_max = 100'000;
  auto raw = connect_raw();
  int sent = 0;
  while (server.socket->send_text(std::string(50'000, 'x')) && sent < 1'000) {
    ++sent;
    loop.run_for(0ms);
  }
  ASSERT_LT(sent, 1'000);
  EXPECT_FALSE(server.socket->send_text("more"));
  // Once it reads again it is told why, after what was on the wire.
  const std::string farewell =
      server_frame(close_frame, close_payload(1013) + "messages are not read fast enough");
  ASSERT_TRUE(loop.run_until([&] { return raw->received().ends_with(farewell); }));
  EXPECT_FALSE(server.code.has_value());
  raw->close();
  ASSERT_TRUE(loop.run_until([&] { return server.code.has_value(); }));
  EXPECT_EQ(server.code, 1013);
}

TEST_F(WebSocketTest, ClosesThoughNobodyReads) {
  server_options.websocket.close_within = 50ms;
  auto raw = connect_raw();
  server.socket->close(1000, "not answered");
  ASSERT_TRUE(loop.run_until([&] { return server.code.has_value(); }));
  EXPECT_EQ(server.code, 1000);
  EXPECT_TRUE(loop.run_until([&] { return raw->ended(); }));
}

TEST_F(WebSocketTest, LeavesWithTheServer) {
  connect();
  http->shut_down();
  ASSERT_TRUE(loop.run_until([&] { return client.code && server.code; }));
  EXPECT_EQ(client.code, 1001);
  EXPECT_EQ(server.code, 1001);
}

TEST_F(WebSocketTest, CountsAsAConnectionOfTheServer) {
  server_options.connections_max = 1;
  connect();
  const auto refused = open("/ws");
  EXPECT_FALSE(refused.has_value());
  server.socket->close(1000, "");
  ASSERT_TRUE(loop.run_until([&] { return client.code && server.code; }));
  EXPECT_TRUE(open("/ws").has_value());
}

// At any point of the closing handshake; what is checked is that nothing leaks.
class WebSocketEnd : public testing::TestWithParam<std::optional<Duration>> {};

TEST_P(WebSocketEnd, MayDieWithTheLoopItself) {
  using Opened = Result<std::shared_ptr<WebSocket>>;
  auto own = std::make_unique<test::TestLoop>();
  std::shared_ptr<WebSocket> accepted;
  auto made = HttpServer::listen(
      *own, *Endpoint::parse("127.0.0.1:0"), {},
      {.on_upgrade = [](const HttpRequest&) { return std::nullopt; },
       .on_websocket = [&](const HttpRequest&, auto socket) { accepted = std::move(socket); }});
  ASSERT_TRUE(made.has_value());
  std::shared_ptr<WebSocket> opened;
  WebSocket::connect(*own, *Url::parse("ws://" + (*made)->local().to_string()), "", {},
                     [&](Opened result) { opened = result.value_or(nullptr); });
  ASSERT_TRUE(own->run_until([&] { return opened && accepted; }));
  accepted->start({});
  opened->start({});
  own->run_for(1ms);
  if (const auto closing = GetParam()) {
    accepted.reset();
    opened.reset();
    own->run_for(*closing);
  } else {
    opened->close(1000, "never heard");
    own->post([a = std::move(accepted), b = std::move(opened), c = std::move(*made)] {});
  }
  made->reset();
  own.reset();
}

INSTANTIATE_TEST_SUITE_P(WebSocket, WebSocketEnd,
                         testing::Values(std::nullopt, 0ms, 1ms, 5ms, 50ms));

TEST_F(WebSocketTest, SurvivesTheLoopWithOperationsUnderWay) {
  auto own = std::make_unique<test::TestLoop>();
  const RawTcp listener = RawTcp::listen();
  WebSocket::connect(*own, *Url::parse("ws://127.0.0.1:" + std::to_string(listener.port())), "", {},
                     [](const Opened&) { FAIL(); });
  own->run_for(5ms);
  own.reset();
}

}  // namespace
}  // namespace chatixia::net
