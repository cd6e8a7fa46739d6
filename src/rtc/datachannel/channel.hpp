#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "rtc/sctp/association.hpp"

namespace chatixia::rtc::datachannel {

// A channel is a pair of SCTP streams with one number: RFC 8831, section 6.4.
using ChannelId = sctp::StreamId;

struct ChannelOptions {
  std::string label;
  std::string protocol;
  bool ordered = true;
  // At most one of these; none means reliable (RFC 8832, section 5.1).
  std::optional<std::uint16_t> retransmissions_max;
  std::optional<std::chrono::milliseconds> lifetime_max;

  bool operator==(const ChannelOptions&) const = default;
};

enum class MessageKind { text, binary };

}  // namespace chatixia::rtc::datachannel
