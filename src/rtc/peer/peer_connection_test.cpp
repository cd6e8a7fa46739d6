#include "rtc/peer/peer_connection.hpp"

#include <functional>
#include <malloc.h>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rtc/sctp/association.hpp"
#include "support/virtual_clock.hpp"

namespace chatixia::rtc::peer {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::set_virtual_time;

const crypto::Certificate& certificate(int which) {
  static const auto make = [] {
    return std::move(*crypto::Certificate::make(WallTime(1'893'456'000s), 24h * 365));
  };
  static const crypto::Certificate certificates[] = {make(), make(), make()};
  return certificates[which];
}

// One peer: a connection, the addresses it can be reached at, and what has happened to it.
struct End {
  std::optional<PeerConnection> connection;
  std::vector<Endpoint> addresses;
  std::vector<PeerConnection::MessageReceived> messages;
  std::vector<PeerConnection::ChannelOpened> opened;
  std::vector<ChannelId> closed_channels;
  std::vector<ChannelId> writable;
  int path_changes = 0;
  int closes = 0;
  std::vector<std::string> failures;

  PeerConnection* operator->() { return &*connection; }
};

struct InFlight {
  Instant arrives;
  std::size_t order;
  End* target;
  Endpoint local;
  Endpoint remote;
  Buffer bytes;
};

// Two peers, the network between them, and signaling that is a function call.
class PeerPair : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::seed_virtual_randomness(1);
    set_virtual_time(now);
    a.addresses = {*Endpoint::parse("192.0.2.1:1111")};
    b.addresses = {*Endpoint::parse("198.51.100.2:2222")};
  }

  static ice::Candidate host(const Endpoint& address) {
    return {.type = ice::CandidateType::host,
            .foundation = std::to_string(address.port),
            .priority = ice::candidate_priority(ice::CandidateType::host, 65535),
            .address = address,
            .base = address};
  }

  void make(End& end, int which) {
    PeerConnection::Options options = end_options;
    options.certificate = &certificate(which);
    end.connection.emplace(options, random, now);
    for (const Endpoint& address : end.addresses) end->add_local_candidate(now, host(address));
  }

  void make_both() {
    make(a, 0);
    make(b, 1);
  }

  // a offers, b answers.
  void signal() {
    const auto answer = b->accept_offer(now, a->create_offer(now));
    ASSERT_TRUE(answer) << answer.error().message();
    const auto taken = a->set_answer(now, *answer);
    ASSERT_TRUE(taken) << taken.error().message();
  }

  void connect(ChannelOptions channel = {.label = "mesh"}) {
    make_both();
    ASSERT_TRUE(a->open_channel(now, std::move(channel)));
    signal();
    run(30s, [&] { return !a.opened.empty() && !b.opened.empty(); });
    ASSERT_EQ(a.opened.size(), 1u);
    ASSERT_EQ(b.opened.size(), 1u);
  }

  void drain(End& from, End& to) {
    if (!from.connection) return;
    while (auto transmit = from->poll_transmit()) {
      ++datagrams;
      if (drops && drops(*transmit)) continue;
      wire.push_back({now + delay, datagrams, &to, transmit->remote, transmit->local,
                      std::move(transmit->bytes)});
    }
    while (auto event = from->poll_event()) collect(from, std::move(*event));
  }

  static void collect(End& end, PeerConnection::Event event) {
    if (auto* message = std::get_if<PeerConnection::MessageReceived>(&event))
      end.messages.push_back(std::move(*message));
    else if (auto* opened = std::get_if<PeerConnection::ChannelOpened>(&event))
      end.opened.push_back(std::move(*opened));
    else if (auto* gone = std::get_if<PeerConnection::ChannelClosed>(&event))
      end.closed_channels.push_back(gone->channel);
    else if (auto* room = std::get_if<PeerConnection::Writable>(&event))
      end.writable.push_back(room->channel);
    else if (auto* failed = std::get_if<PeerConnection::Failed>(&event))
      end.failures.push_back(failed->reason);
    else if (std::holds_alternative<PeerConnection::Closed>(event))
      ++end.closes;
    else
      ++end.path_changes;
  }

  void run(Duration duration, const std::function<bool()>& done = [] { return false; }) {
    const Instant end = now + duration;
    for (;;) {
      drain(a, b);
      drain(b, a);
      if (done()) return;
      const auto next =
          std::min_element(wire.begin(), wire.end(), [](const auto& l, const auto& r) {
            return std::tie(l.arrives, l.order) < std::tie(r.arrives, r.order);
          });
      Instant when = end;
      if (next != wire.end()) when = std::min(when, next->arrives);
      for (End* side : {&a, &b})
        if (side->connection) when = std::min(when, (*side)->next_timeout());
      now = std::max(now, when);
      set_virtual_time(now);
      if (now >= end) return;
      if (next != wire.end() && next->arrives <= now) {
        const InFlight datagram = std::move(*next);
        wire.erase(next);
        if (datagram.target->connection)
          datagram.target->connection->handle_datagram(
              now, {datagram.local, datagram.remote, datagram.bytes});
      } else {
        for (End* side : {&a, &b})
          if (side->connection && (*side)->next_timeout() <= now) (*side)->handle_timeout(now);
      }
    }
  }

  void lose(unsigned percent) {
    drops = [this, percent](const Transmit&) { return random.below(100) < percent; };
  }

  static Buffer pattern(std::size_t size) {
    Buffer bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + (i >> 9));
    return bytes;
  }

  Instant now{1000s};
  SeededRandom random{3};
  PeerConnection::Options end_options;
  End a, b;
  Duration delay = 5ms;
  std::function<bool(const Transmit&)> drops;
  std::vector<InFlight> wire;
  std::size_t datagrams = 0;
};

TEST_F(PeerPair, OpensAChannelWithinAFewRoundTrips) {
  const Instant began = now;
  connect();
  EXPECT_LE(now - began, 80ms);
  EXPECT_FALSE(a.opened[0].incoming);
  EXPECT_TRUE(b.opened[0].incoming);
  EXPECT_EQ(b.opened[0].options.label, "mesh");
  // The answerer is the DTLS client and has the even ids, so the offerer's channel is odd.
  EXPECT_EQ(a.opened[0].channel, 1);
  EXPECT_EQ(b.opened[0].channel, 1);
}

TEST_F(PeerPair, TellsWhenEachPhaseWasReached) {
  connect();
  for (End* end : {&a, &b}) {
    const Timeline& timeline = (*end)->timeline();
    ASSERT_TRUE(timeline.remote_description && timeline.path_found && timeline.ice_selected &&
                timeline.dtls_connected && timeline.sctp_connected && timeline.channel_open);
    EXPECT_LE(timeline.created, *timeline.remote_description);
    EXPECT_LE(*timeline.remote_description, *timeline.path_found);
    EXPECT_LE(*timeline.path_found, *timeline.dtls_connected);
    EXPECT_LE(*timeline.dtls_connected, *timeline.sctp_connected);
    EXPECT_LE(*timeline.sctp_connected, *timeline.channel_open);
    EXPECT_GE(end->path_changes, 1);
    EXPECT_TRUE((*end)->path());
    EXPECT_TRUE((*end)->rtt());
    EXPECT_FALSE((*end)->checks().empty());
  }
}

TEST_F(PeerPair, CarriesTextAndBinaryOfEverySizeBothWays) {
  connect();
  for (const std::size_t size : {0, 1, 1200, 65536, 262144}) {
    for (const MessageKind kind : {MessageKind::text, MessageKind::binary}) {
      a.messages.clear();
      b.messages.clear();
      const Buffer bytes = pattern(size);
      ASSERT_TRUE(a->send(now, 1, kind, bytes));
      ASSERT_TRUE(b->send(now, 1, kind, bytes));
      run(3s);
      for (End* end : {&a, &b}) {
        ASSERT_EQ(end->messages.size(), 1u) << size;
        EXPECT_EQ(end->messages[0].bytes, bytes);
        EXPECT_EQ(end->messages[0].kind, kind);
        EXPECT_EQ(end->messages[0].channel, 1);
      }
    }
  }
}

TEST_F(PeerPair, SeveralChannelsFromBothSidesKeepTheirMessagesApart) {
  connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(a->open_channel(now, {.label = "a" + std::to_string(i), .ordered = false}));
    ASSERT_TRUE(b->open_channel(now, {.label = "b" + std::to_string(i), .protocol = "p"}));
  }
  run(1s);
  ASSERT_EQ(a.opened.size(), 7u);
  ASSERT_EQ(b.opened.size(), 7u);
  for (const auto& channel : a.opened)
    ASSERT_TRUE(a->send(now, channel.channel, MessageKind::text, as_bytes(channel.options.label)));
  run(1s);
  ASSERT_EQ(b.messages.size(), 7u);
  std::map<ChannelId, std::string> labels;
  for (const auto& channel : b.opened) labels[channel.channel] = channel.options.label;
  EXPECT_EQ(labels.size(), 7u);
  for (const auto& message : b.messages) EXPECT_EQ(as_text(message.bytes), labels[message.channel]);
}

TEST_F(PeerPair, ConnectsAndDeliversThroughLoss) {
  lose(15);
  for (int round = 0; round < 8; ++round) {
    a = {.addresses = a.addresses};
    b = {.addresses = b.addresses};
    wire.clear();
    connect();
    for (std::uint32_t i = 0; i < 30; ++i)
      ASSERT_TRUE(a->send(now, 1, MessageKind::binary, pattern(1000 * i)));
    run(120s, [&] { return b.messages.size() == 30; });
    ASSERT_EQ(b.messages.size(), 30u);
    for (std::uint32_t i = 0; i < 30; ++i) ASSERT_EQ(b.messages[i].bytes, pattern(1000 * i));
  }
}

TEST_F(PeerPair, TheOffererMayTakeTheActiveRole) {
  make_both();
  std::string offer = a->create_offer(now);
  offer.replace(offer.find("actpass"), 7, "active");
  ASSERT_TRUE(b->open_channel(now, {.label = "from b"}));
  const auto answer = b->accept_offer(now, offer);
  ASSERT_TRUE(answer);
  EXPECT_THAT(*answer, HasSubstr("a=setup:passive"));
  ASSERT_TRUE(a->set_answer(now, *answer));
  run(5s, [&] { return !a.opened.empty(); });
  ASSERT_EQ(a.opened.size(), 1u);
  EXPECT_EQ(a.opened[0].channel, 1);
}

TEST_F(PeerPair, TrickledCandidatesConnectAndTheirEndIsTaken) {
  const auto addresses = std::pair(a.addresses, b.addresses);
  a.addresses.clear();
  b.addresses.clear();
  make_both();
  ASSERT_TRUE(a->open_channel(now, {}));
  signal();
  run(100ms);
  EXPECT_TRUE(a.opened.empty());
  a->add_local_candidate(now, host(addresses.first[0]));
  b->add_local_candidate(now, host(addresses.second[0]));
  ASSERT_TRUE(a->add_remote_candidate(now, host(addresses.second[0]).encode()));
  ASSERT_TRUE(b->add_remote_candidate(now, "a=" + host(addresses.first[0]).encode()));
  ASSERT_TRUE(a->add_remote_candidate(now, ""));
  ASSERT_TRUE(b->add_remote_candidate(now, "end-of-candidates"));
  a->end_of_local_candidates(now);
  b->end_of_local_candidates(now);
  run(5s, [&] { return !a.opened.empty(); });
  EXPECT_EQ(a.opened.size(), 1u);
  EXPECT_THAT(a->create_offer(now), HasSubstr("a=end-of-candidates"));
}

TEST_F(PeerPair, UnsupportedCandidatesAreSkippedAndBadOnesRefused) {
  make_both();
  EXPECT_TRUE(a->add_remote_candidate(
      now, "candidate:1 1 tcp 1845501695 192.0.2.10 9 typ host tcptype active"));
  EXPECT_TRUE(a->add_remote_candidate(
      now,
      "candidate:1 1 udp 2113937151 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 typ host"));
  EXPECT_FALSE(a->add_remote_candidate(now, "candidate:nonsense"));
  EXPECT_FALSE(a->add_remote_candidate(now, "hello"));
}

TEST_F(PeerPair, TheFirstFlightThatOvertakesTheAnswerIsKept) {
  make_both();
  ASSERT_TRUE(a->open_channel(now, {}));
  const auto answer = b->accept_offer(now, a->create_offer(now));
  ASSERT_TRUE(answer);
  // b checks and, once a has answered its check, begins the handshake; a has no description yet.
  run(200ms);
  EXPECT_EQ(a->dropped_datagrams(), 0u);
  ASSERT_TRUE(a->set_answer(now, *answer));
  const Instant began = now;
  run(5s, [&] { return !a.opened.empty(); });
  ASSERT_EQ(a.opened.size(), 1u);
  EXPECT_LE(now - began, 60ms);
}

TEST_F(PeerPair, AWrongFingerprintFailsOnBothSides) {
  make_both();
  const auto answer = b->accept_offer(now, a->create_offer(now));
  ASSERT_TRUE(answer);
  std::string forged = *answer;
  const std::string right = certificate(1).fingerprint().to_string();
  forged.replace(forged.find(right), right.size(), certificate(2).fingerprint().to_string());
  ASSERT_TRUE(a->set_answer(now, forged));
  run(5s);
  EXPECT_THAT(a.failures,
              ::testing::ElementsAre("the peer's certificate does not match the fingerprint in its "
                                     "description"));
  EXPECT_THAT(b.failures,
              ::testing::ElementsAre("the peer ended the DTLS session: bad certificate"));
  EXPECT_TRUE(a->is_closed());
  EXPECT_TRUE(a.opened.empty() && b.opened.empty());
  EXPECT_EQ(a->next_timeout(), never);
}

TEST_F(PeerPair, CloseFromEitherSideReachesThePeerAtOnce) {
  for (const bool offerer : {true, false}) {
    a = {.addresses = a.addresses};
    b = {.addresses = b.addresses};
    wire.clear();
    connect();
    End& closer = offerer ? a : b;
    End& other = offerer ? b : a;
    ASSERT_TRUE(closer->send(now, 1, MessageKind::text, as_bytes("last words")));
    closer->close(now);
    EXPECT_TRUE(closer->is_closed());
    run(20ms);
    EXPECT_EQ(other.closes, 1);
    EXPECT_EQ(closer.closes, 0);
    EXPECT_TRUE(other.failures.empty());
    ASSERT_EQ(other.messages.size(), 1u);
    EXPECT_EQ(other->next_timeout(), never);
    EXPECT_EQ(closer->next_timeout(), never);
    EXPECT_EQ(other->send(now, 1, MessageKind::text, as_bytes("x")).error().code,
              make_error_code(sctp::Errc::not_connected));
  }
}

TEST_F(PeerPair, OneLostGoodbyeIsEnough) {
  connect();
  int sent = 0;
  drops = [&](const Transmit&) { return sent++ == 0; };
  a->close(now);
  run(20ms);
  EXPECT_EQ(b.closes, 1);
}

TEST_F(PeerPair, CloseBeforeConnectedIsQuiet) {
  make_both();
  a->close(now);
  EXPECT_FALSE(a->poll_transmit());
  EXPECT_EQ(a->next_timeout(), never);
  EXPECT_FALSE(a->open_channel(now, {}));
}

TEST_F(PeerPair, AChannelClosesFromEitherSideAndOpensAgain) {
  connect();
  for (End* closer : {&a, &b}) {
    (*closer)->close_channel(now, 1);
    EXPECT_FALSE((*closer)->send(now, 1, MessageKind::text, as_bytes("x")));
    run(1s);
    EXPECT_THAT(a.closed_channels, ::testing::ElementsAre(1));
    EXPECT_THAT(b.closed_channels, ::testing::ElementsAre(1));
    a.closed_channels.clear();
    b.closed_channels.clear();
    ASSERT_TRUE(a->open_channel(now, {.label = "again"}));
    run(1s);
    ASSERT_EQ(a.opened.back().channel, 1);
    b.messages.clear();
    ASSERT_TRUE(a->send(now, 1, MessageKind::text, as_bytes("works")));
    run(1s);
    ASSERT_EQ(b.messages.size(), 1u);
  }
}

TEST_F(PeerPair, AFullBufferRefusesAndSaysWhenThereIsRoom) {
  end_options.send_buffer_bytes_max = 1'000'000;
  connect();
  int taken = 0;
  while (a->send(now, 1, MessageKind::binary, pattern(50'000))) ASSERT_LT(++taken, 100);
  EXPECT_GE(a->buffered_bytes(), 900'000u);
  run(60s, [&] { return !a.writable.empty(); });
  EXPECT_THAT(a.writable, ::testing::ElementsAre(1));
  EXPECT_TRUE(a->send(now, 1, MessageKind::binary, pattern(50'000)));
  run(60s);
  EXPECT_EQ(b.messages.size(), static_cast<std::size_t>(taken) + 1);
}

TEST_F(PeerPair, ObeysThePeersMessageLimit) {
  make_both();
  ASSERT_TRUE(a->open_channel(now, {}));
  const auto answer = b->accept_offer(now, a->create_offer(now));
  ASSERT_TRUE(answer);
  std::string small = *answer;
  small.replace(small.find("262144"), 6, "1000");
  ASSERT_TRUE(a->set_answer(now, small));
  run(5s, [&] { return !a.opened.empty(); });
  EXPECT_EQ(a->send(now, 1, MessageKind::text, pattern(1001)).error().code,
            make_error_code(sctp::Errc::message_too_large));
  EXPECT_TRUE(a->send(now, 1, MessageKind::text, pattern(1000)));
}

TEST_F(PeerPair, ConsentThatExpiresEndsTheConnection) {
  connect();
  run(10s);
  drops = [](const Transmit&) { return true; };
  const Instant began = now;
  run(60s, [&] { return !a.failures.empty() && !b.failures.empty(); });
  EXPECT_THAT(a.failures,
              ::testing::ElementsAre("consent expired: no answer from the peer for 30 s"));
  EXPECT_EQ(b.failures.size(), 1u);
  EXPECT_LE(now - began, 37s);
  EXPECT_TRUE(a->is_closed());
}

TEST_F(PeerPair, APeerWithoutAnyPathFailsWithTheReasonOfIce) {
  make_both();
  drops = [](const Transmit&) { return true; };
  signal();
  run(60s);
  EXPECT_THAT(a.failures,
              ::testing::ElementsAre("no pair of addresses answered a connectivity check"));
}

TEST_F(PeerPair, AnIceRestartMovesTheConnectionAndKeepsItsChannels) {
  connect();
  const std::string old_ufrag = a->local_ufrag();
  // b has a new address, and its old one is gone.
  const Endpoint old_address = b.addresses[0];
  const Endpoint new_address = *Endpoint::parse("203.0.113.9:3333");
  b->add_local_candidate(now, host(new_address));
  const std::string offer = a->restart_ice(now);
  EXPECT_NE(a->local_ufrag(), old_ufrag);
  const auto answer = b->accept_offer(now, offer);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_THAT(*answer, HasSubstr("a=setup:active"));
  ASSERT_TRUE(a->set_answer(now, *answer));
  drops = [&](const Transmit& transmit) {
    return transmit.local == old_address || transmit.remote == old_address;
  };
  ASSERT_TRUE(a->send(now, 1, MessageKind::text, as_bytes("after the move")));
  run(10s);
  ASSERT_EQ(b.messages.size(), 1u);
  ASSERT_TRUE(a->path());
  EXPECT_EQ(a->path()->remote, new_address);
  EXPECT_TRUE(a.failures.empty() && b.failures.empty());
  EXPECT_TRUE(a.closed_channels.empty());
}

TEST_F(PeerPair, TheAnswererMayRestartToo) {
  connect();
  const auto answer = a->accept_offer(now, b->restart_ice(now));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_THAT(*answer, HasSubstr("a=setup:passive"));
  ASSERT_TRUE(b->set_answer(now, *answer));
  run(5s);
  ASSERT_TRUE(b->send(now, 1, MessageKind::text, as_bytes("x")));
  run(1s);
  EXPECT_EQ(a.messages.size(), 1u);
}

TEST_F(PeerPair, ASecondOfferWithTheSameCredentialsIsAnsweredAgain) {
  connect();
  const auto again = b->accept_offer(now, a->create_offer(now));
  ASSERT_TRUE(again);
  ASSERT_TRUE(a->set_answer(now, *again));
  ASSERT_TRUE(a->send(now, 1, MessageKind::text, as_bytes("x")));
  run(1s);
  EXPECT_EQ(b.messages.size(), 1u);
}

TEST_F(PeerPair, ADescriptionThatChangesTheSessionIsRefused) {
  connect();
  std::string offer = a->create_offer(now);
  const std::string right = certificate(0).fingerprint().to_string();
  offer.replace(offer.find(right), right.size(), certificate(2).fingerprint().to_string());
  EXPECT_EQ(b->accept_offer(now, offer).error().code, make_error_code(ParseError::unsupported));
  const auto answer = b->accept_offer(now, a->create_offer(now));
  ASSERT_TRUE(answer);
  std::string swapped = *answer;
  swapped.replace(swapped.find("setup:active"), 12, "setup:passive");
  EXPECT_EQ(a->set_answer(now, swapped).error().code, make_error_code(ParseError::unsupported));
}

TEST_F(PeerPair, NonsenseDescriptionsAreRefusedAndChangeNothing) {
  make_both();
  EXPECT_EQ(b->accept_offer(now, "hello").error().code, make_error_code(ParseError::bad_syntax));
  EXPECT_FALSE(a->set_answer(now, "v=0\r\n"));
  std::string undecided = a->create_offer(now);
  EXPECT_EQ(b->set_answer(now, undecided).error().code, make_error_code(ParseError::bad_value));
  ASSERT_TRUE(a->open_channel(now, {}));
  signal();
  run(5s, [&] { return !a.opened.empty(); });
  EXPECT_EQ(a.opened.size(), 1u);
}

TEST_F(PeerPair, DatagramsOfStrangersAreCountedAndDropped) {
  connect();
  const Endpoint stranger = *Endpoint::parse("203.0.113.66:6666");
  const std::uint64_t before = a->dropped_datagrams();
  a->handle_datagram(now, {a.addresses[0], stranger, Buffer{22, 254, 253, 0}});
  a->handle_datagram(now, {a.addresses[0], b.addresses[0], Buffer{100, 1}});
  a->handle_datagram(now, {a.addresses[0], b.addresses[0], {}});
  EXPECT_EQ(a->dropped_datagrams(), before + 3);
  a->handle_datagram(now, {a.addresses[0], b.addresses[0], Buffer{23, 254, 253, 0}});
  a->handle_datagram(now, {a.addresses[0], b.addresses[0], Buffer{0, 1}});
  ASSERT_TRUE(a->send(now, 1, MessageKind::text, as_bytes("unharmed")));
  run(1s);
  EXPECT_EQ(b.messages.size(), 1u);
}

TEST_F(PeerPair, EarlyChannelsAndLongLabelsAreBounded) {
  make_both();
  EXPECT_EQ(a->open_channel(now, {.label = std::string(2000, 'x')}).error().code,
            make_error_code(sctp::Errc::message_too_large));
  int taken = 0;
  while (a->open_channel(now, {})) ASSERT_LT(++taken, 1000);
  EXPECT_EQ(taken, 64);
  signal();
  run(10s);
  EXPECT_EQ(a.opened.size(), 64u);
  EXPECT_EQ(b.opened.size(), 64u);
}

TEST_F(PeerPair, NoDatagramIsLargerThanItsLimit) {
  std::size_t largest = 0;
  drops = [&](const Transmit& transmit) {
    largest = std::max(largest, transmit.bytes.size());
    return false;
  };
  connect();
  ASSERT_TRUE(a->send(now, 1, MessageKind::binary, pattern(200'000)));
  run(5s);
  EXPECT_LE(largest, 1200u);
  EXPECT_GE(largest, 1190u);
}

TEST_F(PeerPair, AnIdleConnectionStaysOpenForAnHour) {
  connect();
  run(1h);
  ASSERT_TRUE(a->send(now, 1, MessageKind::text, as_bytes("still there")));
  run(1s);
  EXPECT_EQ(b.messages.size(), 1u);
}

TEST_F(PeerPair, MemoryOfAnIdleConnectionIsBounded) {
  connect();
  constexpr int count = 20;
  std::vector<End> kept;
  const auto before = mallinfo2().uordblks;
  for (int i = 0; i < count; ++i) {
    a = {.addresses = a.addresses};
    b = {.addresses = b.addresses};
    wire.clear();
    connect();
    run(2s);
    kept.push_back(std::move(a));
    kept.push_back(std::move(b));
    a = {.addresses = {*Endpoint::parse("192.0.2.1:1111")}};
    b = {.addresses = {*Endpoint::parse("198.51.100.2:2222")}};
  }
  const auto bytes = (mallinfo2().uordblks - before) / (2 * count);
  std::printf("one idle connection: %zu bytes\n", bytes);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(bytes, 150u * 1024);
#endif
}

}  // namespace
}  // namespace chatixia::rtc::peer
