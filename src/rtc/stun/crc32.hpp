#pragma once

#include "base/bytes.hpp"

namespace chatixia::rtc::stun {

// The CRC of ITU V.42 that FINGERPRINT carries: RFC 8489, section 14.7.
std::uint32_t crc32(Bytes bytes);

}  // namespace chatixia::rtc::stun
