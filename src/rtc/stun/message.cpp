#include "rtc/stun/message.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "crypto/digest.hpp"
#include "rtc/stun/crc32.hpp"

namespace chatixia::rtc::stun {
namespace {

constexpr std::size_t attribute_header_bytes = 4;
constexpr std::size_t integrity_bytes = 20;
constexpr std::size_t fingerprint_bytes = 4;
constexpr std::uint32_t fingerprint_mask = 0x5354554e;
constexpr std::size_t length_offset = 2;

constexpr std::size_t padded(std::size_t size) {
  return (size + 3) & ~std::size_t{3};
}

// The class is spread over bits 4 and 8, the method over the rest: RFC 8489, section 5.
constexpr std::uint16_t message_type(Class message_class, Method method) {
  const auto c = static_cast<unsigned>(message_class);
  const auto m = static_cast<unsigned>(method);
  return static_cast<std::uint16_t>((m & 0xf80) << 2 | (m & 0x70) << 1 | (m & 0xf) | (c & 2) << 7 |
                                    (c & 1) << 4);
}

constexpr Class class_of(std::uint16_t type) {
  return static_cast<Class>((type >> 7 & 2) | (type >> 4 & 1));
}

constexpr Method method_of(std::uint16_t type) {
  return static_cast<Method>((type >> 2 & 0xf80) | (type >> 1 & 0x70) | (type & 0xf));
}

std::uint32_t fingerprint_of(Bytes before) {
  return crc32(before) ^ fingerprint_mask;
}

// The HMAC covers what stands before it, under a length that ends with it: section 14.5.
crypto::Sha1 integrity_of(Bytes before, Bytes key) {
  Buffer covered(before.begin(), before.end());
  const std::size_t length =
      before.size() - header_bytes + attribute_header_bytes + integrity_bytes;
  covered[length_offset] = static_cast<std::uint8_t>(length >> 8);
  covered[length_offset + 1] = static_cast<std::uint8_t>(length);
  return crypto::hmac_sha1(key, covered);
}

}  // namespace

bool looks_like_stun(Bytes datagram) {
  if (datagram.size() < header_bytes || datagram[0] > 3) return false;
  return ByteReader(datagram.subspan(4)).u32() == magic_cookie;
}

std::expected<Message, ParseError> Message::parse(Bytes bytes) {
  ByteReader reader(bytes);
  const std::uint16_t type = reader.u16();
  const std::uint16_t length = reader.u16();
  const std::uint32_t cookie = reader.u32();
  const Bytes id = reader.bytes(std::tuple_size_v<TransactionId>);
  if (!reader.ok()) return std::unexpected(ParseError::truncated);
  if ((type & 0xc000) != 0 || cookie != magic_cookie)
    return std::unexpected(ParseError::wrong_type);
  if (length % 4 != 0) return std::unexpected(ParseError::bad_value);
  if (reader.remaining() < length) return std::unexpected(ParseError::truncated);
  if (reader.remaining() > length) return std::unexpected(ParseError::trailing_bytes);

  Message message;
  message.bytes_ = bytes;
  message.class_ = class_of(type);
  message.method_ = method_of(type);
  std::copy(id.begin(), id.end(), message.id_.begin());
  if (const auto error = message.read_attributes()) return std::unexpected(*error);
  return message;
}

std::optional<ParseError> Message::read_attributes() {
  ByteReader reader(bytes_.subspan(header_bytes));
  bool after_integrity = false;
  for (std::size_t count = 0; !reader.at_end(); ++count) {
    if (count == attributes_max) return ParseError::too_large;
    const std::size_t offset = header_bytes + reader.position();
    const auto type = static_cast<AttributeType>(reader.u16());
    const std::uint16_t size = reader.u16();
    const Bytes value = reader.bytes(size);
    reader.skip(padded(size) - size);
    if (!reader.ok()) return ParseError::truncated;

    if (type == AttributeType::fingerprint) {
      if (size != fingerprint_bytes || !reader.at_end()) return ParseError::bad_value;
      if (ByteReader(value).u32() != fingerprint_of(bytes_.first(offset)))
        return ParseError::integrity;
      has_fingerprint_ = true;
      continue;
    }
    if (after_integrity) continue;
    if (type == AttributeType::message_integrity) {
      if (size != integrity_bytes) return ParseError::bad_value;
      integrity_offset_ = offset;
      after_integrity = true;
      continue;
    }
    // The stronger integrity of RFC 8489, section 14.6 also ends what may be acted upon.
    if (type == AttributeType::message_integrity_sha256) after_integrity = true;
    attributes_.push_back({type, value});
  }
  return std::nullopt;
}

bool Message::verify_integrity(Bytes key) const {
  if (!has_integrity()) return false;
  const crypto::Sha1 expected = integrity_of(bytes_.first(integrity_offset_), key);
  return crypto::equal_in_constant_time(
      expected, bytes_.subspan(integrity_offset_ + attribute_header_bytes, integrity_bytes));
}

std::optional<Bytes> Message::find(AttributeType type) const {
  const auto found = std::find_if(attributes_.begin(), attributes_.end(),
                                  [&](const Attribute& a) { return a.type == type; });
  if (found == attributes_.end()) return std::nullopt;
  return found->value;
}

std::optional<std::string_view> Message::text(AttributeType type) const {
  const auto value = find(type);
  if (!value) return std::nullopt;
  return as_text(*value);
}

std::optional<std::uint32_t> Message::u32(AttributeType type) const {
  const auto value = find(type);
  if (!value || value->size() != 4) return std::nullopt;
  return ByteReader(*value).u32();
}

std::optional<std::uint64_t> Message::u64(AttributeType type) const {
  const auto value = find(type);
  if (!value || value->size() != 8) return std::nullopt;
  return ByteReader(*value).u64();
}

std::optional<Endpoint> Message::xor_address(AttributeType type) const {
  const auto value = find(type);
  if (!value) return std::nullopt;
  const auto endpoint = parse_xor_address(*value, id_);
  if (!endpoint) return std::nullopt;
  return *endpoint;
}

std::optional<ErrorCode> Message::error_code() const {
  const auto value = find(AttributeType::error_code);
  if (!value) return std::nullopt;
  const auto error = parse_error_code(*value);
  if (!error) return std::nullopt;
  return *error;
}

std::vector<AttributeType> Message::unknown_required() const {
  std::vector<AttributeType> unknown;
  for (const Attribute& attribute : attributes_)
    if (is_comprehension_required(attribute.type) && !is_known(attribute.type))
      unknown.push_back(attribute.type);
  return unknown;
}

Builder::Builder(Class message_class, Method method, const TransactionId& id)
    : id_(id), writer_(128) {
  writer_.u16(message_type(message_class, method));
  writer_.u16(0);
  writer_.u32(magic_cookie);
  writer_.bytes(id);
}

Builder& Builder::bytes(AttributeType type, Bytes value) {
  writer_.u16(static_cast<std::uint16_t>(type));
  writer_.u16(static_cast<std::uint16_t>(value.size()));
  writer_.bytes(value);
  writer_.zeros(padded(value.size()) - value.size());
  expects(writer_.size() - header_bytes <= 0xffff);
  set_length(writer_.size() - header_bytes);
  return *this;
}

Builder& Builder::text(AttributeType type, std::string_view value) {
  return bytes(type, as_bytes(value));
}

Builder& Builder::u32(AttributeType type, std::uint32_t value) {
  ByteWriter out(4);
  out.u32(value);
  return bytes(type, out.view());
}

Builder& Builder::u64(AttributeType type, std::uint64_t value) {
  ByteWriter out(8);
  out.u64(value);
  return bytes(type, out.view());
}

Builder& Builder::flag(AttributeType type) {
  return bytes(type, {});
}

Builder& Builder::xor_address(AttributeType type, const Endpoint& endpoint) {
  return bytes(type, encode_xor_address(endpoint, id_));
}

Builder& Builder::error(std::uint16_t code, std::string_view reason) {
  ByteWriter out;
  out.u16(0);
  out.u8(static_cast<std::uint8_t>(code / 100));
  out.u8(static_cast<std::uint8_t>(code % 100));
  out.text(reason);
  return bytes(AttributeType::error_code, out.view());
}

Builder& Builder::unknown_attributes(std::span<const AttributeType> types) {
  ByteWriter out;
  for (const AttributeType type : types) out.u16(static_cast<std::uint16_t>(type));
  return bytes(AttributeType::unknown_attributes, out.view());
}

Builder& Builder::integrity(Bytes key) {
  return bytes(AttributeType::message_integrity, integrity_of(writer_.view(), key));
}

Builder& Builder::fingerprint() {
  // The length already counts FINGERPRINT when the CRC is taken: section 14.7.
  set_length(writer_.size() - header_bytes + attribute_header_bytes + fingerprint_bytes);
  return u32(AttributeType::fingerprint, fingerprint_of(writer_.view()));
}

Buffer Builder::take() {
  return writer_.take();
}

void Builder::set_length(std::size_t attribute_bytes) {
  writer_.patch_u16(length_offset, static_cast<std::uint16_t>(attribute_bytes));
}

std::array<std::uint8_t, 16> long_term_key(std::string_view username, std::string_view realm,
                                           std::string_view password) {
  std::string joined;
  joined.append(username).append(":").append(realm).append(":").append(password);
  return crypto::md5(as_bytes(joined));
}

}  // namespace chatixia::rtc::stun
