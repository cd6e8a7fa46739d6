#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/datagram.hpp"
#include "base/result.hpp"
#include "net/loop.hpp"

namespace chatixia::net {

// A UDP socket that knows which of this host's addresses each datagram came in on and leaves
// from. Receives and sends in batches, with GRO and GSO where the kernel has them. IPv6 sockets
// are IPv6 only.
class UdpSocket {
 public:
  struct Options {
    // 4 to 8 MiB keep a burst from being dropped; the kernel may give less.
    int receive_buffer_bytes = 8 * 1024 * 1024;
    int send_buffer_bytes = 4 * 1024 * 1024;
    bool segmentation_offload = true;
  };
  struct Stats {
    std::uint64_t received = 0, sent = 0, receive_calls = 0, send_calls = 0, send_dropped = 0;
  };

  // Binds to `local` (unspecified address for all interfaces, port 0 for any).
  static Result<std::unique_ptr<UdpSocket>> bind(Loop& loop, const Endpoint& local,
                                                 const Options& options);
  virtual ~UdpSocket() = default;

  // Called with every batch; the datagrams are valid during the call.
  virtual void on_datagrams(std::function<void(std::span<const Datagram>)> handler) = 0;
  // Sends in order; runs of datagrams with one source, target and size leave in one call. What
  // the kernel refuses for now waits in a bounded queue, then is dropped and counted, as UDP may.
  virtual void send(std::span<const Transmit> batch) = 0;
  virtual Endpoint local() const = 0;
  virtual const Stats& stats() const = 0;
};

// Addresses of the interfaces that are up, loopback included, link-local IPv6 left out.
std::vector<IpAddress> interface_addresses();

}  // namespace chatixia::net
