#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace chatixia::rtc::sctp {

// The Castagnoli CRC of `bytes`: RFC 9260, appendix A.
std::uint32_t crc32c(Bytes bytes);

namespace detail {
// Both implementations, so that a test can compare them wherever it runs. `crc` is the running
// value, not inverted.
std::uint32_t crc32c_by_table(std::uint32_t crc, Bytes bytes);
bool has_crc32c_instruction();
std::uint32_t crc32c_by_instruction(std::uint32_t crc, Bytes bytes);
}  // namespace detail

// Writes the checksum of a packet whose checksum field is zero. The packet has its whole common
// header.
void set_checksum(std::span<std::uint8_t> packet);

// Whether a packet is long enough to have a checksum, and has the right one.
bool has_right_checksum(Bytes packet);

}  // namespace chatixia::rtc::sctp
