#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "rtc/stun/attribute.hpp"

namespace chatixia::rtc::stun {

// More than any message of the protocols we speak needs; a flood of empty attributes is refused.
inline constexpr std::size_t attributes_max = 64;

// Tells STUN from DTLS, TURN channels and noise by the first bytes alone: RFC 7983, section 7.
bool looks_like_stun(Bytes datagram);

// A STUN message as a checked view into the bytes it came in; those must outlive it.
// RFC 8489, section 5.
class Message {
 public:
  // Checks the header, the attribute chain and, if there is one, FINGERPRINT. Attributes between
  // MESSAGE-INTEGRITY and FINGERPRINT are dropped, as section 14.5 asks.
  static std::expected<Message, ParseError> parse(Bytes bytes);

  Class message_class() const { return class_; }
  Method method() const { return method_; }
  const TransactionId& transaction_id() const { return id_; }
  const std::vector<Attribute>& attributes() const { return attributes_; }
  bool has_fingerprint() const { return has_fingerprint_; }
  bool has_integrity() const { return integrity_offset_ != 0; }

  // Whether MESSAGE-INTEGRITY is there and was made with `key`.
  bool verify_integrity(Bytes key) const;

  // The first attribute of that type; later ones do not count.
  std::optional<Bytes> find(AttributeType type) const;
  bool has(AttributeType type) const { return find(type).has_value(); }
  std::optional<std::string_view> text(AttributeType type) const;
  std::optional<std::uint32_t> u32(AttributeType type) const;
  std::optional<std::uint64_t> u64(AttributeType type) const;
  std::optional<Endpoint> xor_address(AttributeType type) const;
  std::optional<ErrorCode> error_code() const;

  // What must be understood and is not: RFC 8489, section 6.3.
  std::vector<AttributeType> unknown_required() const;

 private:
  Message() = default;
  std::optional<ParseError> read_attributes();

  Bytes bytes_;
  Class class_{};
  Method method_{};
  TransactionId id_{};
  std::vector<Attribute> attributes_;
  std::size_t integrity_offset_ = 0;  // of the attribute's header
  bool has_fingerprint_ = false;
};

// Writes one STUN message. Attributes keep their order; integrity() and fingerprint() come last.
class Builder {
 public:
  Builder(Class message_class, Method method, const TransactionId& id);

  Builder& bytes(AttributeType type, Bytes value);
  Builder& text(AttributeType type, std::string_view value);
  Builder& u32(AttributeType type, std::uint32_t value);
  Builder& u64(AttributeType type, std::uint64_t value);
  Builder& flag(AttributeType type);
  Builder& xor_address(AttributeType type, const Endpoint& endpoint);
  Builder& error(std::uint16_t code, std::string_view reason);
  Builder& unknown_attributes(std::span<const AttributeType> types);

  Builder& integrity(Bytes key);
  Builder& fingerprint();
  Buffer take();

 private:
  void set_length(std::size_t attribute_bytes);

  TransactionId id_;
  ByteWriter writer_;
};

// The HMAC key of the long-term credential mechanism: RFC 8489, section 9.2.2.
std::array<std::uint8_t, 16> long_term_key(std::string_view username, std::string_view realm,
                                           std::string_view password);

}  // namespace chatixia::rtc::stun
