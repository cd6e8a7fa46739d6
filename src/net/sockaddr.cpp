#include "net/sockaddr.hpp"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>

namespace chatixia::net {

IpAddress to_ip(const in_addr& address) {
  return IpAddress::v4(ntohl(address.s_addr));
}

IpAddress to_ip(const in6_addr& address) {
  return IpAddress::v6(std::span<const std::uint8_t, 16>(address.s6_addr));
}

in_addr to_in_addr(const IpAddress& ip) {
  in_addr address{};
  std::memcpy(&address.s_addr, ip.bytes().data(), sizeof(address.s_addr));
  return address;
}

in6_addr to_in6_addr(const IpAddress& ip) {
  in6_addr address{};
  std::ranges::copy(ip.bytes(), address.s6_addr);
  return address;
}

SocketAddress::SocketAddress(const Endpoint& endpoint) {
  if (endpoint.ip.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    v4.sin_addr = to_in_addr(endpoint.ip);
    size = sizeof(sockaddr_in);
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    v6.sin6_addr = to_in6_addr(endpoint.ip);
    size = sizeof(sockaddr_in6);
  }
}

Endpoint SocketAddress::endpoint() const {
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    return {to_ip(v4.sin_addr), ntohs(v4.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    return {to_ip(v6.sin6_addr), ntohs(v6.sin6_port)};
  }
  return {};
}

Endpoint local_endpoint(int fd) {
  SocketAddress address;
  if (::getsockname(fd, address.data(), &address.size) != 0) return {};
  return address.endpoint();
}

}  // namespace chatixia::net
