#pragma once

#include <optional>

#include "base/bytes.hpp"

namespace chatixia::rtc::turn {

// RFC 8656, section 12.
inline constexpr std::uint16_t channel_first = 0x4000;
inline constexpr std::uint16_t channel_last = 0x4fff;

// A datagram to or from a peer in four bytes of wrapping: RFC 8656, section 12.4. Over UDP there
// is no padding, though some servers add it.
struct ChannelData {
  std::uint16_t channel = 0;
  Bytes bytes;

  static std::optional<ChannelData> parse(Bytes datagram);
};

Buffer encode_channel_data(std::uint16_t channel, Bytes bytes);

}  // namespace chatixia::rtc::turn
