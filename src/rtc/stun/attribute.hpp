#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/parse_error.hpp"

namespace chatixia::rtc::stun {

inline constexpr std::uint32_t magic_cookie = 0x2112a442;
inline constexpr std::size_t header_bytes = 20;

using TransactionId = std::array<std::uint8_t, 12>;

enum class Class : std::uint8_t { request, indication, success, error };

// RFC 8489, section 18.2 and RFC 8656, section 17.
enum class Method : std::uint16_t {
  binding = 0x001,
  allocate = 0x003,
  refresh = 0x004,
  send = 0x006,
  data = 0x007,
  create_permission = 0x008,
  channel_bind = 0x009,
};

// RFC 8489, section 18.3; RFC 8656, section 18; RFC 8445, section 20.
enum class AttributeType : std::uint16_t {
  mapped_address = 0x0001,
  username = 0x0006,
  message_integrity = 0x0008,
  error_code = 0x0009,
  unknown_attributes = 0x000a,
  channel_number = 0x000c,
  lifetime = 0x000d,
  xor_peer_address = 0x0012,
  data = 0x0013,
  realm = 0x0014,
  nonce = 0x0015,
  xor_relayed_address = 0x0016,
  requested_address_family = 0x0017,
  requested_transport = 0x0019,
  message_integrity_sha256 = 0x001c,
  password_algorithm = 0x001d,
  userhash = 0x001e,
  xor_mapped_address = 0x0020,
  priority = 0x0024,
  use_candidate = 0x0025,
  software = 0x8022,
  alternate_server = 0x8023,
  fingerprint = 0x8028,
  ice_controlled = 0x8029,
  ice_controlling = 0x802a,
};

// Types below 0x8000 must be understood, or the message must not be acted upon.
constexpr bool is_comprehension_required(AttributeType type) {
  return static_cast<std::uint16_t>(type) < 0x8000;
}
bool is_known(AttributeType type);

// One attribute as it stands in a message; the value is a view into the message, without padding.
struct Attribute {
  AttributeType type{};
  Bytes value;
};

// RFC 8489, section 14.8. TURN adds codes in RFC 8656, section 19.
struct ErrorCode {
  std::uint16_t code = 0;
  std::string reason;

  bool operator==(const ErrorCode&) const = default;
};

// XOR-MAPPED-ADDRESS and its relatives: RFC 8489, section 14.2.
std::expected<Endpoint, ParseError> parse_xor_address(Bytes value, const TransactionId& id);
Buffer encode_xor_address(const Endpoint& endpoint, const TransactionId& id);

std::expected<ErrorCode, ParseError> parse_error_code(Bytes value);

}  // namespace chatixia::rtc::stun
