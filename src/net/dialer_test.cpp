#include "net/dialer.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/sockaddr.hpp"
#include "net/unique_fd.hpp"
#include "support/test_loop.hpp"

namespace chatixia::net {
namespace {

UniqueFd tcp_socket(int flags = 0) {
  return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

UniqueFd listen_at(const Endpoint& local, int backlog) {
  UniqueFd fd = tcp_socket();
  const SocketAddress address(local);
  EXPECT_EQ(::bind(fd.get(), address.data(), address.size), 0);
  EXPECT_EQ(::listen(fd.get(), backlog), 0);
  return fd;
}

// An address that swallows what is sent to it: its queue of connections is full.
struct BlackHole {
  explicit BlackHole(const Endpoint& local) : listener(listen_at(local, 0)) {
    const SocketAddress address(local);
    for (int i = 0; i < 4; ++i) {
      fillers.push_back(tcp_socket(SOCK_NONBLOCK));
      // The first are taken, the others wait for ever: there is nothing to check.
      (void)::connect(fillers.back().get(), address.data(), address.size);
    }
  }
  UniqueFd listener;
  std::vector<UniqueFd> fillers;
};

using Outcome = Result<TcpSocket>;

Task<void> connect(std::shared_ptr<Dialer> dialer, std::vector<IpAddress> addresses,
                   std::optional<Outcome>* into) {
  auto outcome = co_await Dialer::connect(std::move(dialer), std::move(addresses));
  into->emplace(std::move(outcome));
}

class DialerTest : public testing::Test {
 protected:
  void start(std::vector<IpAddress> addresses) {
    dialer = std::make_shared<Dialer>(
        loop, Url{.scheme = "http", .host = "h", .port = port, .target = "/"});
    spawn(loop, connect(dialer, std::move(addresses), &outcome));
  }

  test::TestLoop loop;
  const IpAddress live = IpAddress::v4(0x7f000001);
  UniqueFd listener = listen_at({live, 0}, 16);
  std::uint16_t port = local_endpoint(listener.get()).port;
  std::shared_ptr<Dialer> dialer;
  std::optional<Outcome> outcome;
};

TEST_F(DialerTest, WaitsForNoAddressThatSwallowsPackets) {
  std::vector<std::unique_ptr<BlackHole>> holes;
  std::vector<IpAddress> addresses;
  for (std::uint32_t i = 2; i < 8; ++i) {
    addresses.push_back(IpAddress::v4(0x7f000000 + i));
    holes.push_back(std::make_unique<BlackHole>(Endpoint{addresses.back(), port}));
  }
  addresses.push_back(live);
  start(addresses);
  ASSERT_TRUE(loop.run_until([&] { return outcome.has_value(); }));
  ASSERT_TRUE(outcome->has_value()) << outcome->error().message();
  EXPECT_EQ(outcome->value().remote_endpoint().address().to_string(), "127.0.0.1");
}

TEST_F(DialerTest, TellsOfTheLastAddressWhenAllRefuse) {
  listener.reset();
  start({live, IpAddress::v4(0x7f000002)});
  ASSERT_TRUE(loop.run_until([&] { return outcome.has_value(); }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().code, std::errc::connection_refused);
  EXPECT_EQ(outcome->error().context, "connect to 127.0.0.2:" + std::to_string(port));
}

TEST_F(DialerTest, MayBeAbortedWhileItWaits) {
  const IpAddress swallows = IpAddress::v4(0x7f000002);
  const BlackHole hole({swallows, port});
  start({swallows});
  loop.run_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(outcome.has_value());
  dialer->abort();
  ASSERT_TRUE(loop.run_until([&] { return outcome.has_value(); }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().code, std::errc::operation_canceled);
}

}  // namespace
}  // namespace chatixia::net
