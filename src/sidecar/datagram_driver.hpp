#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/datagram.hpp"
#include "base/endpoint.hpp"
#include "net/udp_socket.hpp"

namespace chatixia::sidecar {

// The sidecar's UDP: one socket for each address family, shared by all links.
class DatagramDriver {
 public:
  struct Options {
    std::uint16_t port = 0;
    // Offer only these; empty offers what the interfaces have.
    std::vector<IpAddress> addresses;
    // Loopback is worth offering only to peers that may be on this host.
    bool offer_loopback = false;
  };
  using Handler = std::function<void(std::span<const Datagram>)>;

  // The error says which address could not be bound. A host without IPv6 has no IPv6 socket.
  static Result<std::unique_ptr<DatagramDriver>> open(net::Loop& loop, Options options,
                                                      const Handler& handler);

  void send(std::span<const Transmit> batch);
  // Where this host can be reached now; changes when interfaces do.
  std::vector<Endpoint> addresses() const;

 private:
  explicit DatagramDriver(Options options) : options_(std::move(options)) {}

  Options options_;
  std::unique_ptr<net::UdpSocket> v4_;
  std::unique_ptr<net::UdpSocket> v6_;
};

}  // namespace chatixia::sidecar
