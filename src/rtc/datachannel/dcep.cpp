#include "rtc/datachannel/dcep.hpp"

#include <algorithm>
#include <limits>

#include "base/assert.hpp"
#include "base/utf8.hpp"

namespace chatixia::rtc::datachannel {

namespace {

constexpr std::uint8_t open_type = 0x03;

// Channel types: RFC 8832, section 8.2.2.
constexpr std::uint8_t reliable = 0x00;
constexpr std::uint8_t limited_retransmissions = 0x01;
constexpr std::uint8_t limited_lifetime = 0x02;
constexpr std::uint8_t unordered_bit = 0x80;

// "Normal": RFC 8831, section 6.4.
constexpr std::uint16_t priority = 256;

template <class Narrow>
Narrow saturated(std::uint64_t value) {
  return static_cast<Narrow>(std::min<std::uint64_t>(value, std::numeric_limits<Narrow>::max()));
}

}  // namespace

bool is_ack(Bytes bytes) {
  return !bytes.empty() && bytes[0] == ack_message[0];
}

Buffer encode_open(const ChannelOptions& options) {
  expects(!(options.retransmissions_max && options.lifetime_max));
  expects(options.label.size() <= name_bytes_max && options.protocol.size() <= name_bytes_max);
  std::uint8_t type = reliable;
  std::uint32_t reliability = 0;
  if (options.retransmissions_max) {
    type = limited_retransmissions;
    reliability = *options.retransmissions_max;
  } else if (options.lifetime_max) {
    type = limited_lifetime;
    const auto ms = std::max<std::int64_t>(options.lifetime_max->count(), 0);
    reliability = saturated<std::uint32_t>(static_cast<std::uint64_t>(ms));
  }
  ByteWriter writer(12 + options.label.size() + options.protocol.size());
  writer.u8(open_type);
  writer.u8(options.ordered ? type : type | unordered_bit);
  writer.u16(priority);
  writer.u32(reliability);
  writer.u16(static_cast<std::uint16_t>(options.label.size()));
  writer.u16(static_cast<std::uint16_t>(options.protocol.size()));
  writer.text(options.label);
  writer.text(options.protocol);
  return writer.take();
}

std::expected<ChannelOptions, ParseError> parse_open(Bytes bytes) {
  ByteReader reader(bytes);
  const std::uint8_t message_type = reader.u8();
  const std::uint8_t channel_type = reader.u8();
  reader.u16();  // priority: one sender, one queue
  const std::uint32_t reliability = reader.u32();
  const std::uint16_t label_size = reader.u16();
  const std::uint16_t protocol_size = reader.u16();
  ChannelOptions options;
  options.ordered = (channel_type & unordered_bit) == 0;
  options.label = reader.text(label_size);
  options.protocol = reader.text(protocol_size);

  if (!reader.ok()) return std::unexpected(ParseError::truncated);
  if (message_type != open_type) return std::unexpected(ParseError::wrong_type);
  if (!reader.at_end()) return std::unexpected(ParseError::trailing_bytes);
  if (label_size > name_bytes_max || protocol_size > name_bytes_max)
    return std::unexpected(ParseError::too_large);
  if (!is_utf8(options.label) || !is_utf8(options.protocol))
    return std::unexpected(ParseError::bad_utf8);
  switch (channel_type & ~unordered_bit) {
    case reliable:
      return options;
    case limited_retransmissions:
      options.retransmissions_max = saturated<std::uint16_t>(reliability);
      return options;
    case limited_lifetime:
      options.lifetime_max = std::chrono::milliseconds(reliability);
      return options;
    default:
      return std::unexpected(ParseError::unsupported);
  }
}

}  // namespace chatixia::rtc::datachannel
