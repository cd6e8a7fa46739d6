#include "net/udp_send.hpp"

#include <algorithm>
#include <deque>

#include <gtest/gtest.h>
#include <netinet/udp.h>

namespace chatixia::net {
namespace {

const Endpoint a = *Endpoint::parse("127.0.0.1:1");
const Endpoint b = *Endpoint::parse("127.0.0.1:2");

Transmit make_transmit(const Endpoint& local, const Endpoint& remote, std::size_t size) {
  return {local, remote, Buffer(size, 'x')};
}

TEST(RunLength, EndsWhereSourceTargetOrSizeChange) {
  const auto length = [](std::vector<Transmit> batch) { return run_length(batch); };
  EXPECT_EQ(length({make_transmit(a, b, 10)}), 1U);
  EXPECT_EQ(length({make_transmit(a, b, 10), make_transmit(a, b, 10)}), 2U);
  EXPECT_EQ(length({make_transmit(a, b, 10), make_transmit(a, a, 10)}), 1U);
  EXPECT_EQ(length({make_transmit(a, b, 10), make_transmit(b, b, 10)}), 1U);
  EXPECT_EQ(length({make_transmit(a, b, 10), make_transmit(a, b, 11)}), 1U);
  EXPECT_EQ(length({make_transmit(a, b, 10), make_transmit(a, b, 9), make_transmit(a, b, 9)}), 2U);
  EXPECT_EQ(length({make_transmit(a, b, 10), make_transmit(a, b, 0)}), 1U);
  EXPECT_EQ(length({make_transmit(a, b, 0), make_transmit(a, b, 0)}), 1U);
}

TEST(RunLength, KeepsTheLimitsOfOneCall) {
  EXPECT_EQ(run_length(std::vector(200, make_transmit(a, a, 100))), 64U);
  EXPECT_EQ(run_length(std::vector(64, make_transmit(a, a, 1400))), 46U);
}

// A kernel whose next answers are scripted; it notes the sizes of what it took, by call.
struct FakeKernel {
  static inline std::deque<int> errors;  // for the next calls; zero, or none left: success
  static inline bool refuses_segmentation = false;
  static inline std::vector<std::vector<std::size_t>> taken;

  static void reset() {
    errors.clear();
    refuses_segmentation = false;
    taken.clear();
  }

  static ssize_t send(int, const msghdr* message, int) {
    const int scripted = errors.empty() ? 0 : errors.front();
    if (!errors.empty()) errors.pop_front();
    errno = refuses_segmentation && message->msg_iovlen > 1 ? EIO : scripted;
    if (errno != 0) return -1;
    std::vector<std::size_t> sizes;
    sizes.reserve(message->msg_iovlen);
    for (std::size_t i = 0; i < message->msg_iovlen; ++i)
      sizes.push_back(message->msg_iov[i].iov_len);
    taken.push_back(sizes);
    return 1;
  }
};

class UdpSenderTest : public testing::Test {
 protected:
  UdpSenderTest() { FakeKernel::reset(); }

  static std::vector<Transmit> make_batch(std::size_t count, std::size_t size = 100) {
    return std::vector(count, make_transmit(a, b, size));
  }

  UdpSocket::Stats stats;
  UdpSender sender{-1, true, FakeKernel::send};
};

TEST_F(UdpSenderTest, SendsARunInOneCall) {
  sender.send(make_batch(10), stats);
  ASSERT_EQ(FakeKernel::taken.size(), 1U);
  EXPECT_EQ(FakeKernel::taken[0].size(), 10U);
  EXPECT_EQ(stats.sent, 10U);
  EXPECT_EQ(stats.send_calls, 1U);
}

TEST_F(UdpSenderTest, SendsOneByOneWhereSegmentationDoesNotWorkAndAsksOnlyOnce) {
  FakeKernel::refuses_segmentation = true;
  sender.send(make_batch(10), stats);
  EXPECT_EQ(FakeKernel::taken.size(), 10U);
  EXPECT_EQ(stats.sent, 10U);
  EXPECT_EQ(stats.send_calls, 11U);
  sender.send(make_batch(10), stats);
  EXPECT_EQ(stats.send_calls, 21U);
}

TEST_F(UdpSenderTest, KeepsSegmentationWhenTheSizeWasAtFault) {
  // The run fails, and so do its two datagrams alone.
  FakeKernel::errors = {EINVAL, EMSGSIZE, EMSGSIZE};
  sender.send(make_batch(2, 9'000), stats);
  EXPECT_EQ(stats.send_dropped, 2U);
  sender.send(make_batch(2), stats);
  ASSERT_EQ(FakeKernel::taken.size(), 1U);
  EXPECT_EQ(FakeKernel::taken[0].size(), 2U);
}

TEST_F(UdpSenderTest, QueuesInOrderWhileTheKernelIsFull) {
  FakeKernel::errors = {0, EAGAIN};
  sender.send(std::vector{make_transmit(a, b, 1), make_transmit(b, a, 2), make_transmit(a, b, 3)},
              stats);
  EXPECT_TRUE(sender.is_waiting());
  sender.send(std::vector{make_transmit(b, a, 4)}, stats);
  EXPECT_EQ(FakeKernel::taken.size(), 1U);

  FakeKernel::errors = {0, EAGAIN};
  sender.flush(stats);
  EXPECT_TRUE(sender.is_waiting());
  sender.flush(stats);
  EXPECT_FALSE(sender.is_waiting());
  const std::vector<std::vector<std::size_t>> expected = {{1}, {2}, {3}, {4}};
  EXPECT_EQ(FakeKernel::taken, expected);
  EXPECT_EQ(stats.sent, 4U);
  EXPECT_EQ(stats.send_dropped, 0U);
}

TEST_F(UdpSenderTest, DropsTheNewestWhenTheQueueIsFull) {
  FakeKernel::errors = {EAGAIN};
  sender.send(make_batch(1'030), stats);
  EXPECT_EQ(stats.send_dropped, 6U);
  sender.flush(stats);
  EXPECT_EQ(stats.sent, 1'024U);
}

TEST_F(UdpSenderTest, BoundsTheBytesOfTheQueueToo) {
  FakeKernel::errors = {EAGAIN};
  sender.send(make_batch(100, 60'000), stats);
  EXPECT_EQ(stats.send_dropped, 100U - 4 * 1024 * 1024 / 60'000);
  sender.flush(stats);
  FakeKernel::errors = {EAGAIN};
  sender.send(make_batch(1, 60'000), stats);
  EXPECT_TRUE(sender.is_waiting());
}

TEST_F(UdpSenderTest, StaysBoundedWhileItIsNeverEmpty) {
  FakeKernel::errors = {EAGAIN};
  sender.send(make_batch(2, 10), stats);
  for (int i = 0; i < 5'000; ++i) {
    FakeKernel::errors = {0, EAGAIN};
    sender.send({{make_transmit(i % 2 == 0 ? b : a, a, 10)}}, stats);
    sender.flush(stats);
    ASSERT_TRUE(sender.is_waiting());
  }
  sender.flush(stats);
  EXPECT_EQ(stats.send_dropped, 0U);
  EXPECT_EQ(stats.sent, 5'002U);
}

TEST_F(UdpSenderTest, TriesAgainWhatASignalOrAnEarlierIcmpErrorInterrupted) {
  FakeKernel::errors = {EINTR, ECONNREFUSED};
  sender.send(make_batch(1), stats);
  EXPECT_EQ(stats.sent, 1U);
  EXPECT_EQ(stats.send_calls, 3U);
}

}  // namespace
}  // namespace chatixia::net
