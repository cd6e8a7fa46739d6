#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace chatixia {

// An IPv4 or IPv6 address as a value; an IPv4-mapped IPv6 address is turned into plain IPv4.
class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress v6(std::span<const std::uint8_t, 16> bytes);
  // Accepts dotted quads and RFC 4291 text without zone or brackets.
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const { return v4_; }
  bool is_v6() const { return !v4_; }
  bool is_loopback() const;
  bool is_link_local() const;
  bool is_unspecified() const;
  bool is_multicast() const;
  // RFC 1918, RFC 6598 and RFC 4193 ranges.
  bool is_private() const;

  // 4 bytes for IPv4, 16 for IPv6, in network order.
  Bytes bytes() const { return Bytes(bytes_).first(v4_ ? 4 : 16); }
  std::string to_string() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  bool v4_ = true;
};

// Where datagrams come from and go to.
struct Endpoint {
  IpAddress ip;
  std::uint16_t port = 0;

  // "192.0.2.1:3478" or "[2001:db8::1]:3478".
  static std::optional<Endpoint> parse(std::string_view text);
  std::string to_string() const;

  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace chatixia

template <>
struct std::hash<chatixia::IpAddress> {
  std::size_t operator()(const chatixia::IpAddress& ip) const {
    return std::hash<std::string_view>{}(chatixia::as_text(ip.bytes()));
  }
};

template <>
struct std::hash<chatixia::Endpoint> {
  std::size_t operator()(const chatixia::Endpoint& endpoint) const {
    return std::hash<chatixia::IpAddress>{}(endpoint.ip) * 31 + endpoint.port;
  }
};
