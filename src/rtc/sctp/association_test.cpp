#include "rtc/sctp/association.hpp"

#include <algorithm>
#include <functional>
#include <malloc.h>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "support/virtual_clock.hpp"

namespace chatixia::rtc::sctp {
namespace {

using namespace std::chrono_literals;
using testing::set_virtual_time;

constexpr std::uint32_t binary = 53;

struct End {
  std::unique_ptr<Association> association;
  std::vector<Message> messages;
  std::vector<Association::Event> events;

  Association* operator->() { return association.get(); }

  template <class Wanted>
  std::vector<Wanted> all() const {
    std::vector<Wanted> found;
    for (const Association::Event& event : events)
      if (const auto* wanted = std::get_if<Wanted>(&event)) found.push_back(*wanted);
    return found;
  }
};

struct Packet {
  Instant arrives;
  std::size_t order;
  End* target;
  Buffer bytes;
};

// Two associations joined by a link with a delay, under virtual time.
class SctpPair : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::seed_virtual_randomness(1);
    set_virtual_time(now);
  }

  void make(Association::Options options = {}) { make(options, options); }
  void make(Association::Options one, Association::Options two) {
    a.association = Association::make(one, now);
    b.association = Association::make(two, now);
  }

  void connect(Association::Options options = {}) {
    make(options);
    a->connect(now);
    b->connect(now);
    run(5s);
    ASSERT_EQ(a.all<Association::Connected>().size(), 1u);
    ASSERT_EQ(b.all<Association::Connected>().size(), 1u);
  }

  void drain(End& from, End& to) {
    if (!from.association) return;
    while (auto packet = from->poll_packet()) {
      ++packets;
      packet_bytes_max = std::max(packet_bytes_max, packet->size());
      if (drops && drops(*packet)) continue;
      Instant arrives = now + delay;
      if (jitter > 0ns) arrives += random.up_to(jitter);
      wire.push_back({arrives, packets, &to, std::move(*packet)});
    }
    while (auto event = from->poll_event()) {
      if (auto* message = std::get_if<Message>(&*event))
        from.messages.push_back(std::move(*message));
      else
        from.events.push_back(std::move(*event));
    }
  }

  // Runs until nothing happens before `duration` is over, or `done` says so.
  void run(Duration duration, const std::function<bool()>& done = [] { return false; }) {
    const Instant end = now + duration;
    for (;;) {
      drain(a, b);
      drain(b, a);
      if (done()) return;
      auto next = std::min_element(wire.begin(), wire.end(), [](const Packet& l, const Packet& r) {
        return std::tie(l.arrives, l.order) < std::tie(r.arrives, r.order);
      });
      Instant when = end;
      if (next != wire.end()) when = std::min(when, next->arrives);
      for (End* side : {&a, &b})
        if (side->association) when = std::min(when, (*side)->next_timeout());
      now = std::max(now, when);
      set_virtual_time(now);
      if (now >= end) return;
      if (next != wire.end() && next->arrives <= now) {
        Packet packet = std::move(*next);
        wire.erase(next);
        if (packet.target->association)
          packet.target->association->handle_packet(now, packet.bytes);
      } else {
        for (End* side : {&a, &b})
          if (side->association && (*side)->next_timeout() <= now) (*side)->handle_timeout(now);
      }
    }
  }

  Buffer numbered(std::size_t size, std::uint32_t number) {
    Buffer bytes(size);
    for (std::size_t i = 0; i < size; ++i)
      bytes[i] = static_cast<std::uint8_t>(number * 31 + i + (i >> 8));
    return bytes;
  }

  // Loses `percent` of all packets.
  void lose(unsigned percent) {
    drops = [this, percent](const Buffer&) { return random.below(100) < percent; };
  }

  Instant now{1000s};
  End a, b;
  SeededRandom random{7};
  Duration delay = 5ms;
  Duration jitter = 0ms;
  std::function<bool(const Buffer&)> drops;
  std::vector<Packet> wire;
  std::size_t packets = 0;
  std::size_t packet_bytes_max = 0;
};

TEST_F(SctpPair, RepeatsItsFirstPacketsInTime) {
  make();
  int lost = 0;
  drops = [&](const Buffer&) { return lost++ < 4; };  // two of each side
  const Instant began = now;
  a->connect(now);
  b->connect(now);
  run(10s, [&] {
    return !a.all<Association::Connected>().empty() && !b.all<Association::Connected>().empty();
  });
  EXPECT_LE(now - began, 500ms + 1s + 20ms + 4 * delay);
}

TEST_F(SctpPair, ConnectsWhenBothSidesOpenAtOnce) {
  make();
  a->connect(now);
  b->connect(now);
  const Instant began = now;
  run(5s, [&] {
    return !a.all<Association::Connected>().empty() && !b.all<Association::Connected>().empty();
  });
  EXPECT_LE(now - began, 25ms);
}

TEST_F(SctpPair, ConnectsWhenTheFirstInitFindsNobodyListening) {
  make();
  a->connect(now);
  run(100ms);
  b->connect(now);
  run(5s);
  EXPECT_EQ(a.all<Association::Connected>().size(), 1u);
  EXPECT_EQ(b.all<Association::Connected>().size(), 1u);
}

TEST_F(SctpPair, ConnectsThroughHeavyLoss) {
  lose(40);
  make();
  a->connect(now);
  b->connect(now);
  run(60s);
  EXPECT_EQ(a.all<Association::Connected>().size(), 1u);
  EXPECT_EQ(b.all<Association::Connected>().size(), 1u);
}

TEST_F(SctpPair, CarriesStreamAndPayloadProtocol) {
  connect();
  ASSERT_TRUE(a->send(now, 7, 51, as_bytes("hello"), {}));
  run(1s);
  ASSERT_EQ(b.messages.size(), 1u);
  EXPECT_EQ(b.messages[0].stream, 7);
  EXPECT_EQ(b.messages[0].ppid, 51u);
  EXPECT_EQ(as_text(b.messages[0].bytes), "hello");
}

TEST_F(SctpPair, CarriesEverySizeUpTo256KiBWithinThePacketLimit) {
  connect({.packet_bytes_max = 1163});
  std::uint32_t number = 0;
  for (const std::size_t size : {1, 2, 1000, 1135, 1136, 1163, 4096, 65536, 200000, 262144}) {
    ASSERT_TRUE(a->send(now, 0, binary, numbered(size, ++number), {}));
    run(2s);
    ASSERT_EQ(b.messages.size(), number) << size;
    EXPECT_EQ(b.messages.back().bytes, numbered(size, number)) << size;
  }
  EXPECT_LE(packet_bytes_max, 1163u);
  EXPECT_GT(packet_bytes_max, 1150u);
  EXPECT_EQ(a->buffered_bytes(), 0u);
}

TEST_F(SctpPair, LowersThePacketLimitWhileRunning) {
  connect();
  a->set_packet_bytes_max(now, 600);
  packet_bytes_max = 0;
  ASSERT_TRUE(a->send(now, 0, binary, numbered(50000, 1), {}));
  run(5s);
  ASSERT_EQ(b.messages.size(), 1u);
  EXPECT_LE(packet_bytes_max, 600u);
}

TEST_F(SctpPair, DeliversAThousandMessagesInOrderThroughLossAndReordering) {
  connect();
  lose(3);
  jitter = 20ms;
  for (std::uint32_t i = 0; i < 1000; ++i)
    ASSERT_TRUE(a->send(now, 1, binary, numbered(300 + i % 2000, i), {}));
  run(120s, [&] { return b.messages.size() == 1000; });
  ASSERT_EQ(b.messages.size(), 1000u);
  for (std::uint32_t i = 0; i < 1000; ++i)
    ASSERT_EQ(b.messages[i].bytes, numbered(300 + i % 2000, i)) << i;
}

TEST_F(SctpPair, KeepsTheOrderOfSmallAndLargeMessagesInOneTurn) {
  connect();
  for (std::uint32_t i = 0; i < 200; ++i)
    ASSERT_TRUE(a->send(now, 1, binary, numbered(i % 7 == 0 ? 30000 : 20, i), {}));
  run(30s);
  ASSERT_EQ(b.messages.size(), 200u);
  for (std::uint32_t i = 0; i < 200; ++i)
    ASSERT_EQ(b.messages[i].bytes, numbered(i % 7 == 0 ? 30000 : 20, i)) << i;
}

TEST_F(SctpPair, BundlesTheSmallMessagesOfOneTurn) {
  connect();
  const std::size_t before = packets;
  for (std::uint32_t i = 0; i < 40; ++i) ASSERT_TRUE(a->send(now, 1, binary, numbered(100, i), {}));
  drain(a, b);
  EXPECT_LE(packets - before, 10u);
  run(1s);
  EXPECT_EQ(b.messages.size(), 40u);
}

TEST_F(SctpPair, ASmallMessageLeavesAtOnceWhileAnotherIsUnacknowledged) {
  connect();
  for (std::uint32_t i = 0; i < 5; ++i) {
    const std::size_t before = packets;
    ASSERT_TRUE(a->send(now, 1, binary, numbered(20, i), {}));
    drain(a, b);
    EXPECT_EQ(packets, before + 1) << i;
  }
}

TEST_F(SctpPair, UnorderedMessagesPassTheGapThatHoldsOrderedOnes) {
  connect();
  bool lost = false;
  drops = [&](const Buffer&) { return !std::exchange(lost, true); };
  ASSERT_TRUE(a->send(now, 1, binary, numbered(20, 1), {}));
  drain(a, b);
  ASSERT_TRUE(a->send(now, 1, binary, numbered(20, 2), {}));
  ASSERT_TRUE(a->send(now, 2, binary, numbered(20, 3), {.unordered = true}));
  run(100ms);
  ASSERT_EQ(b.messages.size(), 1u);
  EXPECT_EQ(b.messages[0].bytes, numbered(20, 3));
  run(2s);
  EXPECT_EQ(b.messages.size(), 3u);
}

TEST_F(SctpPair, AMessageWithoutRetransmissionsIsGivenUpWhenLost) {
  connect();
  bool lost = false;
  drops = [&](const Buffer&) { return !std::exchange(lost, true); };
  ASSERT_TRUE(a->send(now, 1, binary, numbered(20, 1), {.retransmissions_max = 0}));
  drain(a, b);
  ASSERT_TRUE(lost);
  ASSERT_TRUE(a->send(now, 1, binary, numbered(20, 2), {.retransmissions_max = 0}));
  run(5s);
  ASSERT_EQ(b.messages.size(), 1u);
  EXPECT_EQ(b.messages[0].bytes, numbered(20, 2));
}

TEST_F(SctpPair, AMessagePastItsLifetimeIsGivenUp) {
  connect();
  bool blackout = true;
  drops = [&](const Buffer&) { return blackout; };
  ASSERT_TRUE(a->send(now, 1, binary, numbered(20, 1), {.lifetime_max = 100ms}));
  run(300ms);
  blackout = false;
  ASSERT_TRUE(a->send(now, 1, binary, numbered(20, 2), {}));
  run(5s);
  ASSERT_EQ(b.messages.size(), 1u);
  EXPECT_EQ(b.messages[0].bytes, numbered(20, 2));
}

TEST_F(SctpPair, RefusesWhenTheBufferIsFullAndSaysWhenThereIsRoom) {
  connect({.send_buffer_bytes_max = 3'000'000});
  std::uint32_t taken = 0;
  for (; taken < 1000; ++taken) {
    const auto sent = a->send(now, 1, binary, numbered(100'000, taken), {});
    if (sent) continue;
    EXPECT_EQ(sent.error().code, make_error_code(Errc::send_buffer_full));
    break;
  }
  EXPECT_GE(taken, 25u);
  EXPECT_LE(taken, 30u);
  EXPECT_LE(a->buffered_bytes(), 3'100'000u);
  EXPECT_TRUE(a.all<Association::Writable>().empty());
  run(60s, [&] { return !a.all<Association::Writable>().empty(); });
  ASSERT_EQ(a.all<Association::Writable>().size(), 1u);
  EXPECT_LT(a->buffered_bytes(), 1'500'000u);
  run(60s);
  EXPECT_EQ(a.all<Association::Writable>().size(), 1u);
  ASSERT_EQ(b.messages.size(), taken);
  for (std::uint32_t i = 0; i < taken; ++i)
    ASSERT_EQ(b.messages[i].bytes, numbered(100'000, i)) << i;
}

TEST_F(SctpPair, AMessageThatAloneExceedsTheBufferGoesWhenItIsEmpty) {
  connect({.message_bytes_max = 200'000, .send_buffer_bytes_max = 100'000});
  ASSERT_TRUE(a->send(now, 1, binary, numbered(150'000, 1), {}));
  EXPECT_EQ(a->send(now, 1, binary, numbered(150'000, 2), {}).error().code,
            make_error_code(Errc::send_buffer_full));
  run(10s);
  EXPECT_EQ(b.messages.size(), 1u);
}

TEST_F(SctpPair, RefusesWhatItCannotSend) {
  make();
  EXPECT_EQ(a->send(now, 1, binary, numbered(1, 1), {}).error().code,
            make_error_code(Errc::not_connected));
  connect({.message_bytes_max = 1000, .streams = 16});
  EXPECT_EQ(a->send(now, 1, binary, numbered(1001, 1), {}).error().code,
            make_error_code(Errc::message_too_large));
  EXPECT_EQ(a->send(now, 16, binary, numbered(1, 1), {}).error().code,
            make_error_code(Errc::no_such_stream));
  EXPECT_TRUE(a->send(now, 15, binary, numbered(1000, 1), {}));
}

TEST_F(SctpPair, AMessageLargerThanAllowedEndsTheAssociation) {
  make({.message_bytes_max = 262'144}, {.message_bytes_max = 10'000});
  a->connect(now);
  b->connect(now);
  run(1s);
  ASSERT_TRUE(a->send(now, 1, binary, numbered(10'001, 1), {}));
  run(5s);
  EXPECT_TRUE(b.messages.empty());
  ASSERT_EQ(b.all<Association::Failed>().size(), 1u);
  EXPECT_EQ(b.all<Association::Failed>()[0].code, make_error_code(Errc::message_too_large));
  ASSERT_EQ(a.all<Association::Failed>().size(), 1u);
  EXPECT_EQ(a.all<Association::Failed>()[0].code, make_error_code(Errc::aborted_by_peer));
}

TEST_F(SctpPair, AResetReachesThePeerAfterWhatWasQueued) {
  connect();
  for (std::uint32_t i = 0; i < 20; ++i)
    ASSERT_TRUE(a->send(now, 3, binary, numbered(20'000, i), {}));
  const StreamId streams[] = {3};
  a->reset_streams(now, streams);
  run(10s, [&] { return !b.all<Association::StreamsReset>().empty(); });
  EXPECT_EQ(b.messages.size(), 20u);
  ASSERT_EQ(b.all<Association::StreamsReset>().size(), 1u);
  EXPECT_THAT(b.all<Association::StreamsReset>()[0].streams, ::testing::ElementsAre(3));
  run(1s);
  ASSERT_EQ(a.all<Association::ResetCompleted>().size(), 1u);
  EXPECT_THAT(a.all<Association::ResetCompleted>()[0].streams, ::testing::ElementsAre(3));
  ASSERT_TRUE(a->send(now, 3, binary, numbered(5, 99), {}));
  run(1s);
  EXPECT_EQ(b.messages.size(), 21u);
}

TEST_F(SctpPair, MessagesOnAStreamBeingResetWaitForTheReset) {
  connect();
  const StreamId streams[] = {3};
  a->reset_streams(now, streams);
  ASSERT_TRUE(a->send(now, 3, binary, numbered(5, 1), {}));
  ASSERT_TRUE(a->send(now, 4, binary, numbered(5, 2), {}));
  run(2s);
  EXPECT_EQ(b.messages.size(), 2u);
  EXPECT_EQ(b.all<Association::StreamsReset>().size(), 1u);
}

TEST_F(SctpPair, ResetsManyStreamsWhileLosingPackets) {
  connect();
  lose(20);
  for (StreamId stream = 0; stream < 10; ++stream) a->reset_streams(now, std::array{stream});
  run(60s);
  std::vector<StreamId> seen, completed;
  for (const auto& reset : b.all<Association::StreamsReset>())
    seen.insert(seen.end(), reset.streams.begin(), reset.streams.end());
  for (const auto& reset : a.all<Association::ResetCompleted>())
    completed.insert(completed.end(), reset.streams.begin(), reset.streams.end());
  EXPECT_THAT(seen, ::testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(completed, ::testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_F(SctpPair, AnAbortReachesThePeerAtOnce) {
  connect();
  a->abort(now);
  run(50ms);
  ASSERT_EQ(b.all<Association::Failed>().size(), 1u);
  EXPECT_EQ(b.all<Association::Failed>()[0].code, make_error_code(Errc::aborted_by_peer));
  EXPECT_TRUE(a.all<Association::Failed>().empty());
  EXPECT_EQ(a->next_timeout(), never);
  EXPECT_EQ(b->next_timeout(), never);
  EXPECT_FALSE(b->send(now, 1, binary, numbered(1, 1), {}));
}

TEST_F(SctpPair, AShutdownDeliversWhatIsQueuedFirst) {
  connect();
  for (std::uint32_t i = 0; i < 50; ++i)
    ASSERT_TRUE(a->send(now, 3, binary, numbered(50'000, i), {}));
  a->shutdown(now);
  EXPECT_FALSE(a->send(now, 3, binary, numbered(1, 1), {}));
  run(30s);
  EXPECT_EQ(b.messages.size(), 50u);
  EXPECT_EQ(b.all<Association::Closed>().size(), 1u);
  EXPECT_EQ(a.all<Association::Closed>().size(), 1u);
}

TEST_F(SctpPair, ASilentPeerIsGivenUp) {
  connect();
  drops = [](const Buffer&) { return true; };
  ASSERT_TRUE(a->send(now, 3, binary, numbered(1, 1), {}));
  const Instant began = now;
  run(300s, [&] { return !a.all<Association::Failed>().empty(); });
  ASSERT_EQ(a.all<Association::Failed>().size(), 1u);
  EXPECT_EQ(a.all<Association::Failed>()[0].code, make_error_code(Errc::peer_unreachable));
  EXPECT_GT(now - began, 30s);
}

TEST_F(SctpPair, SurvivesASilenceOfThirtySeconds) {
  connect();
  drops = [](const Buffer&) { return true; };
  ASSERT_TRUE(a->send(now, 3, binary, numbered(1, 1), {}));
  run(30s);
  drops = {};
  run(10s);
  EXPECT_EQ(b.messages.size(), 1u);
}

TEST_F(SctpPair, PacketsWithAWrongOrZeroChecksumAreIgnored) {
  connect();
  ASSERT_TRUE(a->send(now, 3, binary, numbered(10, 1), {}));
  const Buffer good = *a->poll_packet();
  Buffer bad = good;
  bad[8] ^= 1;
  b->handle_packet(now, bad);
  std::fill_n(bad.begin() + 8, 4, std::uint8_t{0});
  b->handle_packet(now, bad);
  for (std::size_t size = 0; size < good.size(); ++size)
    b->handle_packet(now, Bytes(good).first(size));
  drain(b, a);
  EXPECT_TRUE(b.messages.empty());
  b->handle_packet(now, good);
  drain(b, a);
  EXPECT_EQ(b.messages.size(), 1u);
}

TEST_F(SctpPair, AnIdleLinkWakesOncePerSecondAndSendsNothing) {
  connect();
  run(5s);
  const std::size_t before = packets;
  int wakes = 0;
  const Instant end = now + 60s;
  while (now < end) {
    now = a->next_timeout();
    set_virtual_time(now);
    a->handle_timeout(now);
    drain(a, b);
    ++wakes;
  }
  EXPECT_LE(wakes, 61);
  EXPECT_EQ(packets, before);
}

TEST_F(SctpPair, AllIdleLinksWakeTogether) {
  connect();
  End other;
  run(1234ms);
  EXPECT_EQ(a->next_timeout(), b->next_timeout());
}

TEST_F(SctpPair, AnAssociationDestroyedInTheMiddleLeavesNoTrace) {
  for (int round = 0; round < 50; ++round) {
    a = {};
    b = {};
    wire.clear();
    connect();
    lose(30);
    ASSERT_TRUE(a->send(now, 1, binary, numbered(100'000, 1), {}));
    run(random.up_to(300ms));
    (round % 2 == 0 ? a : b).association.reset();
    run(2s);
    drops = {};
  }
}

TEST_F(SctpPair, MemoryOfAnIdleAssociationIsBounded) {
  // Warm-up, so that what is allocated once is not counted.
  connect();
  std::vector<End> kept;
  constexpr int count = 50;
  const auto before = mallinfo2().uordblks;
  for (int i = 0; i < count; ++i) {
    a = {};
    b = {};
    connect();
    kept.push_back(std::move(a));
    kept.push_back(std::move(b));
  }
  const auto bytes = (mallinfo2().uordblks - before) / (2 * count);
  RecordProperty("bytes_per_association", static_cast<int>(bytes));
  std::printf("one idle association: %zu bytes\n", bytes);
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(bytes, 50u * 1024);
#endif
}

}  // namespace
}  // namespace chatixia::rtc::sctp
