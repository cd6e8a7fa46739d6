#include "rtc/stun/attribute.hpp"

#include <algorithm>

namespace chatixia::rtc::stun {
namespace {

constexpr std::uint8_t family_v4 = 1;
constexpr std::uint8_t family_v6 = 2;

// What addresses are masked with: the cookie, then the transaction id.
std::array<std::uint8_t, 16> mask(const TransactionId& id) {
  std::array<std::uint8_t, 16> out = {0x21, 0x12, 0xa4, 0x42};
  std::copy(id.begin(), id.end(), out.begin() + 4);
  return out;
}

}  // namespace

bool is_known(AttributeType type) {
  switch (type) {
    case AttributeType::mapped_address:
    case AttributeType::username:
    case AttributeType::message_integrity:
    case AttributeType::error_code:
    case AttributeType::unknown_attributes:
    case AttributeType::channel_number:
    case AttributeType::lifetime:
    case AttributeType::xor_peer_address:
    case AttributeType::data:
    case AttributeType::realm:
    case AttributeType::nonce:
    case AttributeType::xor_relayed_address:
    case AttributeType::requested_address_family:
    case AttributeType::requested_transport:
    case AttributeType::message_integrity_sha256:
    case AttributeType::password_algorithm:
    case AttributeType::userhash:
    case AttributeType::xor_mapped_address:
    case AttributeType::priority:
    case AttributeType::use_candidate:
    case AttributeType::software:
    case AttributeType::alternate_server:
    case AttributeType::fingerprint:
    case AttributeType::ice_controlled:
    case AttributeType::ice_controlling:
      return true;
  }
  return false;
}

std::expected<Endpoint, ParseError> parse_xor_address(Bytes value, const TransactionId& id) {
  ByteReader reader(value);
  reader.skip(1);
  const std::uint8_t family = reader.u8();
  const auto port = static_cast<std::uint16_t>(reader.u16() ^ magic_cookie >> 16);
  if (!reader.ok()) return std::unexpected(ParseError::truncated);
  if (family != family_v4 && family != family_v6) return std::unexpected(ParseError::bad_value);

  std::array<std::uint8_t, 16> address{};
  const std::size_t size = family == family_v4 ? 4 : 16;
  const Bytes masked = reader.bytes(size);
  if (!reader.ok()) return std::unexpected(ParseError::truncated);
  if (!reader.at_end()) return std::unexpected(ParseError::trailing_bytes);
  const auto key = mask(id);
  for (std::size_t i = 0; i < size; ++i) address[i] = static_cast<std::uint8_t>(masked[i] ^ key[i]);
  if (family == family_v6) return Endpoint{IpAddress::v6(address), port};
  return Endpoint{IpAddress::v4(ByteReader(address).u32()), port};
}

Buffer encode_xor_address(const Endpoint& endpoint, const TransactionId& id) {
  const auto key = mask(id);
  ByteWriter writer(20);
  writer.u8(0);
  writer.u8(endpoint.ip.is_v4() ? family_v4 : family_v6);
  writer.u16(static_cast<std::uint16_t>(endpoint.port ^ magic_cookie >> 16));
  const Bytes address = endpoint.ip.bytes();
  for (std::size_t i = 0; i < address.size(); ++i)
    writer.u8(static_cast<std::uint8_t>(address[i] ^ key[i]));
  return writer.take();
}

std::expected<ErrorCode, ParseError> parse_error_code(Bytes value) {
  ByteReader reader(value);
  reader.skip(2);
  const std::uint8_t hundreds = reader.u8() & 7;
  const std::uint8_t rest = reader.u8();
  if (!reader.ok()) return std::unexpected(ParseError::truncated);
  if (hundreds < 3 || hundreds > 6 || rest > 99) return std::unexpected(ParseError::bad_value);
  ErrorCode error;
  error.code = static_cast<std::uint16_t>(hundreds * 100 + rest);
  error.reason = std::string(as_text(reader.rest()));
  return error;
}

}  // namespace chatixia::rtc::stun
