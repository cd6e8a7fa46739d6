#include "net/udp_socket.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/test_loop.hpp"

namespace chatixia::net {
namespace {

using namespace std::chrono_literals;
using test::TestLoop;

Endpoint at(const char* text) {
  return *Endpoint::parse(text);
}

std::unique_ptr<UdpSocket> bind(Loop& loop, const char* local, UdpSocket::Options options = {}) {
  auto socket = UdpSocket::bind(loop, at(local), options);
  EXPECT_TRUE(socket.has_value()) << (socket ? "" : socket.error().message());
  return std::move(*socket);
}

Transmit make_transmit(const Endpoint& local, const Endpoint& remote, std::size_t size,
                       std::uint8_t fill = 'x') {
  return {local, remote, Buffer(size, fill)};
}

// The payload of datagram `index`: its number and a pattern that its receiver can check.
Buffer numbered(std::uint32_t index, std::size_t size) {
  ByteWriter writer(size);
  writer.u32(index);
  for (std::size_t i = 4; i < size; ++i) writer.u8(static_cast<std::uint8_t>(index * 31 + i));
  return writer.take();
}

struct Inbox {
  explicit Inbox(UdpSocket& socket) {
    socket.on_datagrams([this](std::span<const Datagram> batch) {
      for (const Datagram& datagram : batch) {
        Buffer bytes(datagram.bytes.begin(), datagram.bytes.end());
        received.push_back({datagram.local, datagram.remote, std::move(bytes)});
      }
    });
  }
  std::vector<Transmit> received;
};

// Sends `count` datagrams of mixed sizes in bursts that wait for the other side, so that the
// result does not depend on the size of socket buffers.
void exchange(TestLoop& loop, UdpSocket& from, UdpSocket& to, Inbox& inbox, std::uint32_t count) {
  constexpr std::uint32_t burst = 500;
  inbox.received.clear();
  for (std::uint32_t next = 0; next < count;) {
    std::vector<Transmit> batch;
    for (std::uint32_t i = 0; i < burst && next < count; ++i, ++next) {
      const std::size_t size = next % 97 == 0 ? 300 : 1200;
      batch.push_back({from.local(), to.local(), numbered(next, size)});
    }
    from.send(batch);
    ASSERT_TRUE(loop.run_until([&] { return inbox.received.size() >= next; }));
  }
  ASSERT_EQ(inbox.received.size(), count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Transmit& got = inbox.received[i];
    ASSERT_EQ(got.bytes, numbered(i, got.bytes.size())) << i;
    ASSERT_EQ(got.bytes.size(), i % 97 == 0 ? 300U : 1200U);
    ASSERT_EQ(got.remote, from.local());
    ASSERT_EQ(got.local, to.local());
  }
}

class UdpFamilies : public testing::TestWithParam<std::tuple<const char*, bool>> {};

TEST_P(UdpFamilies, CarriesTenThousandDatagramsBothWaysInOrder) {
  const auto [address, offload] = GetParam();
  TestLoop loop;
  const auto a = bind(loop, address, {.segmentation_offload = offload});
  const auto b = bind(loop, address, {.segmentation_offload = offload});
  Inbox at_a(*a);
  Inbox at_b(*b);
  exchange(loop, *a, *b, at_b, 10'000);
  exchange(loop, *b, *a, at_a, 10'000);
  EXPECT_EQ(a->stats().sent, 10'000U);
  EXPECT_EQ(a->stats().received, 10'000U);
  EXPECT_EQ(a->stats().send_dropped, 0U);
  if (offload) {
    EXPECT_LT(a->stats().send_calls, 1'000U);
    EXPECT_LT(a->stats().receive_calls, 1'000U);
  } else {
    EXPECT_GE(a->stats().send_calls, 10'000U);
  }
}

INSTANTIATE_TEST_SUITE_P(Udp, UdpFamilies,
                         testing::Combine(testing::Values("127.0.0.1:0", "[::1]:0"),
                                          testing::Bool()));

TEST(UdpSocket, LearnsTheAddressThatADatagramCameInOn) {
  TestLoop loop;
  const auto any = bind(loop, "0.0.0.0:0");
  const auto peer = bind(loop, "127.0.0.1:0");
  Inbox inbox(*any);
  for (const char* text : {"127.0.0.1", "127.0.0.2"})
    peer->send(std::vector{
        make_transmit(peer->local(), {*IpAddress::parse(text), any->local().port}, 10)});
  ASSERT_TRUE(loop.run_until([&] { return inbox.received.size() == 2; }));
  EXPECT_EQ(inbox.received[0].local, (Endpoint{*IpAddress::parse("127.0.0.1"), any->local().port}));
  EXPECT_EQ(inbox.received[1].local, (Endpoint{*IpAddress::parse("127.0.0.2"), any->local().port}));
}

TEST(UdpSocket, LeavesFromTheAddressAskedFor) {
  TestLoop loop;
  const auto any = bind(loop, "0.0.0.0:0");
  const auto peer = bind(loop, "127.0.0.1:0");
  Inbox inbox(*peer);
  const Endpoint second{*IpAddress::parse("127.0.0.2"), any->local().port};
  any->send(std::vector{make_transmit(second, peer->local(), 10),
                        make_transmit(any->local(), peer->local(), 10)});
  ASSERT_TRUE(loop.run_until([&] { return inbox.received.size() == 2; }));
  EXPECT_EQ(inbox.received[0].remote, second);
  EXPECT_EQ(inbox.received[1].remote.ip.to_string(), "127.0.0.1");
}

TEST(UdpSocket, CarriesEmptyAndLargestDatagrams) {
  TestLoop loop;
  const auto a = bind(loop, "127.0.0.1:0");
  const auto b = bind(loop, "127.0.0.1:0");
  Inbox inbox(*b);
  constexpr std::size_t largest = 65'507;
  std::vector<Transmit> batch;
  for (const std::size_t size : {0UL, 1UL, 0UL, largest, 1UL})
    batch.push_back(make_transmit(a->local(), b->local(), size));
  a->send(batch);
  ASSERT_TRUE(loop.run_until([&] { return inbox.received.size() == batch.size(); }));
  for (std::size_t i = 0; i < batch.size(); ++i) EXPECT_EQ(inbox.received[i].bytes, batch[i].bytes);
}

TEST(UdpSocket, DropsWhatCannotBeSentAndGoesOn) {
  TestLoop loop;
  const auto a = bind(loop, "127.0.0.1:0");
  const auto b = bind(loop, "127.0.0.1:0");
  Inbox inbox(*b);
  const Endpoint foreign = at("192.0.2.7:1000");  // not an address of this host
  a->send(std::vector{make_transmit(a->local(), b->local(), 65'508),
                      make_transmit(foreign, b->local(), 10),
                      make_transmit(a->local(), b->local(), 10)});
  ASSERT_TRUE(loop.run_until([&] { return !inbox.received.empty(); }));
  EXPECT_EQ(a->stats().send_dropped, 2U);
  EXPECT_EQ(a->stats().sent, 1U);
}

TEST(UdpSocket, OutlivesAnUnreachablePeer) {
  TestLoop loop;
  const auto a = bind(loop, "127.0.0.1:0");
  const auto b = bind(loop, "127.0.0.1:0");
  const Endpoint closed = bind(loop, "127.0.0.1:0")->local();
  Inbox inbox(*a);
  for (int i = 0; i < 10; ++i) {
    a->send(std::vector{make_transmit(a->local(), closed, 100)});
    loop.run_for(1ms);
  }
  b->send(std::vector{make_transmit(b->local(), a->local(), 5)});
  EXPECT_TRUE(loop.run_until([&] { return inbox.received.size() == 1; }));
}

TEST(UdpSocket, MayBeDestroyedByItsHandler) {
  TestLoop loop;
  auto a = bind(loop, "127.0.0.1:0");
  const auto b = bind(loop, "127.0.0.1:0");
  int calls = 0;
  a->on_datagrams([&](std::span<const Datagram>) {
    ++calls;
    a.reset();
  });
  b->send(std::vector{make_transmit(b->local(), a->local(), 5),
                      make_transmit(b->local(), a->local(), 7)});
  EXPECT_TRUE(loop.run_until([&] { return a == nullptr; }));
  loop.run_for(5ms);
  EXPECT_EQ(calls, 1);
}

TEST(UdpSocket, SaysWhyItCannotBind) {
  TestLoop loop;
  const auto taken = bind(loop, "127.0.0.1:0");
  const auto again = UdpSocket::bind(loop, taken->local(), {});
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, std::errc::address_in_use);
  EXPECT_NE(again.error().message().find(taken->local().to_string()), std::string::npos);
}

TEST(InterfaceAddresses, HoldLoopbackAndNoLinkLocal) {
  const auto addresses = interface_addresses();
  EXPECT_NE(std::ranges::find(addresses, *IpAddress::parse("127.0.0.1")), addresses.end());
  EXPECT_TRUE(std::ranges::none_of(
      addresses, [](const IpAddress& ip) { return ip.is_v6() && ip.is_link_local(); }));
}

}  // namespace
}  // namespace chatixia::net
