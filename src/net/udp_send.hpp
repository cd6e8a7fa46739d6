#pragma once

#include <span>
#include <vector>

#include <sys/socket.h>

#include "net/udp_socket.hpp"

namespace chatixia::net {

// Hands datagrams to a UDP socket, runs of equal size to one target as one call where the kernel
// cuts them again (UDP_SEGMENT), and keeps what the kernel has no room for.
class UdpSender {
 public:
  // sendmsg(2), or what stands in for a kernel that refuses.
  using SystemCall = ssize_t (*)(int, const msghdr*, int);
  UdpSender(int fd, bool segmentation, SystemCall system_call = ::sendmsg)
      : fd_(fd), segmentation_(segmentation), system_call_(system_call) {}

  // Sends in order, after what waits already. What does not fit into the queue is dropped.
  void send(std::span<const Transmit> batch, UdpSocket::Stats& stats);
  // Sends what waits; to be called when the socket is writable.
  void flush(UdpSocket::Stats& stats);
  bool is_waiting() const { return taken_ < queue_.size(); }

 private:
  // A burst that outruns the socket buffer; more would only be stale when it leaves.
  static constexpr std::size_t queue_datagrams_max = 1024;
  static constexpr std::size_t queue_bytes_max = 4 * 1024 * 1024;

  std::size_t hand_over(std::span<const Transmit> batch, UdpSocket::Stats& stats);
  int send_run(std::span<const Transmit> run, UdpSocket::Stats& stats) const;
  void enqueue(std::span<const Transmit> batch, UdpSocket::Stats& stats);

  int fd_;
  bool segmentation_;
  SystemCall system_call_;
  std::vector<Transmit> queue_;
  std::size_t taken_ = 0;  // of the queue, from the front
  std::size_t queued_bytes_ = 0;
};

// How many leading datagrams may leave in one call: one source and target, one size, of which the
// last may be shorter. At least 1 of a batch that is not empty.
std::size_t run_length(std::span<const Transmit> batch);

}  // namespace chatixia::net
