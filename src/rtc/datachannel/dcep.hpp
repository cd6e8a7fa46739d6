#pragma once

#include <array>
#include <expected>

#include "base/bytes.hpp"
#include "base/parse_error.hpp"
#include "rtc/datachannel/channel.hpp"

// The Data Channel Establishment Protocol: RFC 8832.
namespace chatixia::rtc::datachannel {

// Labels and protocol names longer than this are refused; RFC 8832 would allow 64 KiB each.
inline constexpr std::size_t name_bytes_max = 1024;

// DATA_CHANNEL_ACK: RFC 8832, section 5.2.
inline constexpr std::array<std::uint8_t, 1> ack_message{0x02};
bool is_ack(Bytes bytes);

// DATA_CHANNEL_OPEN: RFC 8832, section 5.1. Counts that do not fit are the largest that do.
Buffer encode_open(const ChannelOptions& options);
std::expected<ChannelOptions, ParseError> parse_open(Bytes bytes);

}  // namespace chatixia::rtc::datachannel
