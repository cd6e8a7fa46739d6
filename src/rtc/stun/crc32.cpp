#include "rtc/stun/crc32.hpp"

#include <array>

namespace chatixia::rtc::stun {
namespace {

constexpr std::array<std::uint32_t, 256> table = [] {
  std::array<std::uint32_t, 256> out{};
  for (std::uint32_t i = 0; i < out.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ 0xedb88320 : value >> 1;
    out[i] = value;
  }
  return out;
}();

}  // namespace

std::uint32_t crc32(Bytes bytes) {
  std::uint32_t value = 0xffffffff;
  for (const std::uint8_t byte : bytes) value = table[(value ^ byte) & 0xff] ^ value >> 8;
  return ~value;
}

}  // namespace chatixia::rtc::stun
