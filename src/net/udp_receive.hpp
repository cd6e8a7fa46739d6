#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include <sys/socket.h>

#include "net/sockaddr.hpp"
#include "net/udp_socket.hpp"

namespace chatixia::net {

// Takes datagrams off a UDP socket in batches and cuts what GRO had joined.
class UdpReceiver {
 public:
  // `local` is the bound address; its port, and where the kernel names none its ip, go into every
  // datagram.
  explicit UdpReceiver(const Endpoint& local);

  // One batch; empty when nothing waits. Valid until the next call.
  std::span<const Datagram> receive(int fd, UdpSocket::Stats& stats);
  // The last batch left room, so the socket was empty then.
  bool drained() const { return drained_; }

 private:
  // GRO joins at most 64 KiB; more slots than this gave nothing.
  static constexpr std::size_t slots = 16;
  static constexpr std::size_t slot_bytes = 64 * 1024;
  struct Control {
    alignas(cmsghdr) std::array<char, 128> bytes;
  };

  void cut(std::size_t slot, std::size_t size);

  Endpoint local_;
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::array<SocketAddress, slots> remotes_;
  std::array<Control, slots> controls_;
  std::array<iovec, slots> vectors_{};
  std::array<mmsghdr, slots> messages_{};
  std::vector<Datagram> batch_;
  bool drained_ = true;
};

}  // namespace chatixia::net
