#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/endpoint.hpp"

namespace chatixia::net {

// An address in the form that system calls take and give.
struct SocketAddress {
  SocketAddress() = default;
  explicit SocketAddress(const Endpoint& endpoint);

  sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
  // Port 0 at 0.0.0.0 when it is neither IPv4 nor IPv6.
  Endpoint endpoint() const;

  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
};

IpAddress to_ip(const in_addr& address);
IpAddress to_ip(const in6_addr& address);
in_addr to_in_addr(const IpAddress& ip);
in6_addr to_in6_addr(const IpAddress& ip);

// The address that a bound socket has.
Endpoint local_endpoint(int fd);

}  // namespace chatixia::net
