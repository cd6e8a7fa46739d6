#include "rtc/dtls/session.hpp"

#include <deque>
#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "support/virtual_clock.hpp"

namespace chatixia::rtc::dtls {
namespace {

using namespace std::chrono_literals;
using testing::set_virtual_time;

const crypto::Certificate& certificate_of(Role role) {
  static const auto make = [] {
    return std::move(*crypto::Certificate::make(WallTime(1'893'456'000s), 24h * 365));
  };
  static const crypto::Certificate client = make();
  static const crypto::Certificate server = make();
  return role == Role::client ? client : server;
}

// Two sessions and the wire between them. `drops` decides by the count of datagrams so far.
class DtlsPair : public ::testing::Test {
 protected:
  struct End {
    std::optional<Session> session;
    std::vector<Buffer> packets;
    std::vector<Session::Event> events;

    template <class Wanted>
    std::size_t count() const {
      std::size_t found = 0;
      for (const Session::Event& event : events) found += std::holds_alternative<Wanted>(event);
      return found;
    }
    std::string failure() const {
      for (const Session::Event& event : events)
        if (const auto* failed = std::get_if<Session::Failed>(&event)) return failed->reason;
      return {};
    }
  };

  void SetUp() override { set_virtual_time(now); }

  void start(Session::Options client_options = {}, Session::Options server_options = {},
             std::optional<crypto::Fingerprint> client_expects = {},
             std::optional<crypto::Fingerprint> server_expects = {}) {
    client_options.role = Role::client;
    server_options.role = Role::server;
    server.session.emplace(server_options, certificate_of(Role::server),
                           server_expects.value_or(certificate_of(Role::client).fingerprint()),
                           now);
    client.session.emplace(client_options, certificate_of(Role::client),
                           client_expects.value_or(certificate_of(Role::server).fingerprint()),
                           now);
  }

  // Moves everything that is ready; true if anything moved.
  bool exchange() {
    bool moved = false;
    for (bool more = true; more;) {
      const bool up = transfer(client, server);
      const bool down = transfer(server, client);
      more = up || down;
      moved |= more;
    }
    return moved;
  }

  bool transfer(End& from, End& to) {
    bool moved = false;
    while (auto datagram = from.session->poll_transmit()) {
      moved = true;
      datagram_bytes_max = std::max(datagram_bytes_max, datagram->size());
      if (drops(sent++)) continue;
      to.session->handle_datagram(now, *datagram);
      collect(to);
    }
    collect(from);
    return moved;
  }

  static void collect(End& end) {
    while (auto packet = end.session->poll_packet()) end.packets.push_back(std::move(*packet));
    while (auto event = end.session->poll_event()) end.events.push_back(std::move(*event));
  }

  void jump_to_next_timeout() {
    now = std::min(client.session->next_timeout(), server.session->next_timeout());
    ASSERT_NE(now, never);
    set_virtual_time(now);
    client.session->handle_timeout(now);
    server.session->handle_timeout(now);
    collect(client);
    collect(server);
  }

  bool connect(Duration within = 20s) {
    const Instant end = now + within;
    exchange();
    while (!(client.session->is_connected() && server.session->is_connected())) {
      const Instant next = std::min(client.session->next_timeout(), server.session->next_timeout());
      if (next > end) return false;
      jump_to_next_timeout();
      exchange();
    }
    return true;
  }

  Instant now{1h};
  End client, server;
  std::size_t sent = 0;
  std::size_t datagram_bytes_max = 0;
  std::function<bool(std::size_t)> drops = [](std::size_t) { return false; };
};

Buffer bytes_of(std::string_view text) {
  return Buffer(text.begin(), text.end());
}

TEST_F(DtlsPair, ConnectsWithoutLossAndWithoutWaiting) {
  start();
  const Instant began = now;
  ASSERT_TRUE(connect());
  EXPECT_EQ(now, began);
  EXPECT_EQ(client.count<Session::Connected>(), 1u);
  EXPECT_EQ(server.count<Session::Connected>(), 1u);
  EXPECT_EQ(client.session->cipher(), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
  EXPECT_EQ(client.session->next_timeout(), never);
  EXPECT_EQ(server.session->next_timeout(), never);
}

TEST_F(DtlsPair, KeepsEveryDatagramWithinItsLimit) {
  start({.datagram_bytes_max = 300}, {.datagram_bytes_max = 300});
  ASSERT_TRUE(connect());
  EXPECT_LE(datagram_bytes_max, 300u);
  EXPECT_GT(sent, 6u);
}

TEST_F(DtlsPair, CarriesPacketsBothWaysOneDatagramEach) {
  start();
  ASSERT_TRUE(connect());
  const std::size_t before = sent;
  client.session->send(bytes_of("one"));
  client.session->send(bytes_of("two"));
  server.session->send(bytes_of("three"));
  exchange();
  EXPECT_EQ(sent, before + 3);
  EXPECT_THAT(server.packets, ::testing::ElementsAre(bytes_of("one"), bytes_of("two")));
  EXPECT_THAT(client.packets, ::testing::ElementsAre(bytes_of("three")));
}

TEST_F(DtlsPair, ARecordAddsExactlyTheOverheadItTells) {
  start();
  ASSERT_TRUE(connect());
  client.session->send(Buffer(1000, 7));
  const auto datagram = client.session->poll_transmit();
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->size(), 1000 + client.session->overhead_bytes());
  EXPECT_EQ(client.session->overhead_bytes(), 37u);
}

TEST_F(DtlsPair, CarriesTheLargestPacketAndDropsALargerOne) {
  start({.datagram_bytes_max = 9000}, {.datagram_bytes_max = 1200});
  ASSERT_TRUE(connect());
  client.session->send(Buffer(9000, 1));
  client.session->send(Buffer(9001, 1));
  client.session->send(bytes_of("after"));
  exchange();
  ASSERT_EQ(server.packets.size(), 2u);
  EXPECT_EQ(server.packets[0].size(), 9000u);
  EXPECT_EQ(server.packets[1], bytes_of("after"));
}

TEST_F(DtlsPair, SurvivesTheLossOfEachDatagramOfTheHandshake) {
  for (std::size_t lost = 0; lost < 12; ++lost) {
    client = {};
    server = {};
    sent = 0;
    drops = [lost](std::size_t index) { return index == lost; };
    start();
    const Instant began = now;
    ASSERT_TRUE(connect()) << "datagram " << lost;
    EXPECT_LE(now - began, 150ms) << "datagram " << lost;
  }
}

TEST_F(DtlsPair, RetransmitsAfter50MillisecondsThenDoubles) {
  drops = [](std::size_t) { return true; };
  start();
  exchange();
  const Instant began = now;
  for (const Duration expected : {50ms, 150ms, 350ms, 750ms, 1550ms, 3150ms, 5150ms, 7150ms}) {
    ASSERT_NEAR(to_ms(client.session->next_timeout() - began), to_ms(expected), 1);
    jump_to_next_timeout();
    const std::size_t before = sent;
    exchange();
    EXPECT_GT(sent, before);
  }
}

TEST_F(DtlsPair, ConnectsThroughHeavyLoss) {
  std::uint32_t state = 12345;
  drops = [&state](std::size_t) {
    state = state * 1664525 + 1013904223;
    return (state >> 24) % 100 < 40;
  };
  for (int run = 0; run < 20; ++run) {
    client = {};
    server = {};
    start();
    ASSERT_TRUE(connect()) << "run " << run;
  }
}

TEST_F(DtlsPair, TheServerRepeatsItsLastFlightWhenTheClientDidNotGetIt) {
  start();
  // Client hello, server flight, client flight; then everything from the server is lost once.
  bool server_connected = false;
  drops = [&](std::size_t) { return server.session->is_connected() && !server_connected; };
  exchange();
  ASSERT_TRUE(server.session->is_connected());
  ASSERT_FALSE(client.session->is_connected());
  server_connected = true;
  ASSERT_TRUE(connect(200ms));
}

TEST_F(DtlsPair, GivesUpAfterTheHandshakeTimeout) {
  drops = [](std::size_t) { return true; };
  start({.handshake_timeout = 20s});
  const Instant began = now;
  while (client.failure().empty()) {
    exchange();
    now = client.session->next_timeout();
    ASSERT_NE(now, never);
    set_virtual_time(now);
    client.session->handle_timeout(now);
    collect(client);
  }
  EXPECT_EQ(now - began, 20s);
  EXPECT_EQ(client.failure(), "the DTLS handshake timed out");
  EXPECT_EQ(client.session->next_timeout(), never);
}

TEST_F(DtlsPair, EveryByteOfTheFingerprintCounts) {
  for (std::size_t i = 0; i < 32; ++i) {
    client = {};
    server = {};
    auto wrong = certificate_of(Role::server).fingerprint();
    wrong.sha256[i] ^= 1;
    start({}, {}, wrong);
    exchange();
    EXPECT_EQ(client.failure(),
              "the peer's certificate does not match the fingerprint in its description")
        << i;
    EXPECT_EQ(server.failure(), "the peer ended the DTLS session: bad certificate") << i;
    EXPECT_FALSE(client.session->is_connected() || server.session->is_connected());
  }
}

TEST_F(DtlsPair, TheServerChecksTheClientToo) {
  auto wrong = certificate_of(Role::client).fingerprint();
  wrong.sha256[31] ^= 0x80;
  start({}, {}, {}, wrong);
  exchange();
  EXPECT_EQ(server.failure(),
            "the peer's certificate does not match the fingerprint in its description");
  EXPECT_EQ(client.failure(), "the peer ended the DTLS session: bad certificate");
}

TEST_F(DtlsPair, CloseReachesThePeerOnce) {
  start();
  ASSERT_TRUE(connect());
  client.session->close();
  client.session->close();
  exchange();
  EXPECT_EQ(server.count<Session::Closed>(), 1u);
  EXPECT_TRUE(server.failure().empty());
  EXPECT_FALSE(server.session->is_connected());
}

TEST_F(DtlsPair, NothingIsReceivedOrSentAfterClose) {
  start();
  ASSERT_TRUE(connect());
  server.session->send(bytes_of("late"));
  client.session->close();
  exchange();
  EXPECT_TRUE(client.packets.empty());
  client.session->send(bytes_of("too late"));
  server.session->send(bytes_of("too late"));
  EXPECT_FALSE(client.session->poll_transmit());
  EXPECT_FALSE(server.session->poll_transmit());
}

TEST_F(DtlsPair, GarbageNeitherEndsNorDisturbsASession) {
  start();
  ASSERT_TRUE(connect());
  client.session->send(bytes_of("good"));
  const Buffer good = *client.session->poll_transmit();
  for (std::size_t i = 0; i < good.size(); ++i) {
    Buffer bad = good;
    bad[i] ^= 0x41;
    server.session->handle_datagram(now, bad);
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    server.session->handle_datagram(now, Bytes(good).first(size));
  server.session->handle_datagram(now, Buffer(2000, 0x17));
  collect(server);
  EXPECT_TRUE(server.packets.empty());
  EXPECT_TRUE(server.failure().empty());
  server.session->handle_datagram(now, good);
  collect(server);
  EXPECT_THAT(server.packets, ::testing::ElementsAre(bytes_of("good")));
}

TEST_F(DtlsPair, RecordsOfAnEarlierSessionAndPiecesDisturbNoHandshake) {
  start();
  ASSERT_TRUE(connect());
  client.session->send(bytes_of("old"));
  const Buffer record = *client.session->poll_transmit();
  client.session->close();
  const Buffer goodbye = *client.session->poll_transmit();

  const auto disturb = [&](End& end) {
    for (std::size_t i = 0; i < record.size(); ++i) {
      Buffer bad = record;
      bad[i] ^= 0x41;
      end.session->handle_datagram(now, bad);
    }
    for (const Buffer& old : {record, goodbye}) {
      for (std::size_t size = 0; size <= old.size(); ++size)
        end.session->handle_datagram(now, Bytes(old).first(size));
    }
    end.session->handle_datagram(now, Buffer(2000, 0x17));
    collect(end);
  };
  for (std::size_t disturbed = 0; disturbed <= 4; ++disturbed) {
    client = {};
    server = {};
    start();
    for (std::size_t flight = 0; flight <= 4; ++flight) {
      if (flight == disturbed) {
        disturb(client);
        disturb(server);
      }
      if (flight < 4)
        transfer(flight % 2 == 0 ? client : server, flight % 2 == 0 ? server : client);
    }
    EXPECT_TRUE(client.session->is_connected() && server.session->is_connected())
        << "before flight " << disturbed << ": " << client.failure() << server.failure();
    client.session->send(bytes_of("good"));
    exchange();
    EXPECT_THAT(server.packets, ::testing::ElementsAre(bytes_of("good")));
  }
}

TEST_F(DtlsPair, PiecesOfAFlightDisturbNoHandshake) {
  start();
  for (bool more = true; more;) {
    more = false;
    for (auto [from, to] : {std::pair(&client, &server), std::pair(&server, &client)}) {
      while (auto datagram = from->session->poll_transmit()) {
        more = true;
        for (std::size_t size = 0; size < datagram->size(); ++size)
          to->session->handle_datagram(now, Bytes(*datagram).first(size));
        to->session->handle_datagram(now, *datagram);
      }
      collect(*to);
    }
  }
  EXPECT_TRUE(client.session->is_connected() && server.session->is_connected())
      << client.failure() << server.failure();
}

TEST_F(DtlsPair, AReplayedRecordIsDropped) {
  start();
  ASSERT_TRUE(connect());
  client.session->send(bytes_of("once"));
  const Buffer datagram = *client.session->poll_transmit();
  server.session->handle_datagram(now, datagram);
  server.session->handle_datagram(now, datagram);
  collect(server);
  EXPECT_THAT(server.packets, ::testing::ElementsAre(bytes_of("once")));
}

TEST_F(DtlsPair, DataThatOvertakesTheLastFlightIsKept) {
  start();
  transfer(client, server);  // hello
  transfer(server, client);  // server flight
  transfer(client, server);  // client flight
  ASSERT_TRUE(server.session->is_connected());
  const auto flight = server.session->poll_transmit();
  ASSERT_TRUE(flight);
  ASSERT_FALSE(server.session->poll_transmit());
  server.session->send(bytes_of("early"));
  const auto early = server.session->poll_transmit();
  client.session->handle_datagram(now, *early);
  client.session->handle_datagram(now, *flight);
  collect(client);
  EXPECT_TRUE(client.session->is_connected());
  EXPECT_THAT(client.packets, ::testing::ElementsAre(bytes_of("early")));
}

TEST_F(DtlsPair, SendBeforeConnectedIsDropped) {
  start();
  client.session->send(bytes_of("too early"));
  ASSERT_TRUE(connect());
  EXPECT_TRUE(server.packets.empty());
}

TEST_F(DtlsPair, MovesWhileInUse) {
  start();
  exchange();
  Session moved = std::move(*client.session);
  client.session.emplace(std::move(moved));
  client.session->send(bytes_of("still here"));
  exchange();
  EXPECT_THAT(server.packets, ::testing::ElementsAre(bytes_of("still here")));
}

// A browser offers SRTP keying in its hello; RFC 5764, section 4.1.1 lets us leave it unanswered.
TEST_F(DtlsPair, AClientHelloThatOffersSrtpIsAccepted) {
  start();
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(DTLS_client_method()),
                                                            SSL_CTX_free);
  ASSERT_EQ(SSL_CTX_use_certificate(context.get(), certificate_of(Role::client).x509()), 1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey(context.get(), certificate_of(Role::client).key()), 1);
  ASSERT_EQ(SSL_CTX_set_tlsext_use_srtp(context.get(), "SRTP_AES128_CM_SHA1_80"), 0);
  std::unique_ptr<SSL, decltype(&SSL_free)> browser(SSL_new(context.get()), SSL_free);
  SSL_set_connect_state(browser.get());
  SSL_set_bio(browser.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(browser.get()), -1);
  for (int round = 0; round < 4; ++round) {
    SSL_do_handshake(browser.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(browser.get()), &data);
    if (size > 0)
      server.session->handle_datagram(now, as_bytes({data, static_cast<std::size_t>(size)}));
    (void)BIO_reset(SSL_get_wbio(browser.get()));
    while (auto datagram = server.session->poll_transmit()) {
      BIO_write(SSL_get_rbio(browser.get()), datagram->data(), static_cast<int>(datagram->size()));
      SSL_do_handshake(browser.get());
    }
  }
  EXPECT_TRUE(server.session->is_connected());
  EXPECT_EQ(SSL_is_init_finished(browser.get()), 1);
}

}  // namespace
}  // namespace chatixia::rtc::dtls
