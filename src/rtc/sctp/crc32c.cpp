#include "rtc/sctp/crc32c.hpp"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace chatixia::rtc::sctp {

namespace {

constexpr std::uint32_t reflected_polynomial = 0x82F63B78;

// tables[k][b] is the CRC of byte b followed by k zero bytes, so eight bytes are taken at a time.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? reflected_polynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte)
      tables[k][byte] = tables[k - 1][byte] >> 8 ^ tables[0][tables[k - 1][byte] & 255];
  return tables;
}

constexpr Tables tables = make_tables();

// Common header: ports, verification tag, checksum (RFC 9260, section 3.1).
constexpr std::size_t checksum_offset = 8;
constexpr std::size_t header_bytes = 12;

using Update = std::uint32_t (*)(std::uint32_t crc, Bytes bytes);

Update fastest() {
  return detail::has_crc32c_instruction() ? detail::crc32c_by_instruction : detail::crc32c_by_table;
}

const Update update = fastest();

std::uint32_t packet_checksum(Bytes packet) {
  constexpr std::array<std::uint8_t, 4> zero{};
  std::uint32_t crc = update(~0u, packet.first(checksum_offset));
  crc = update(crc, zero);
  return ~update(crc, packet.subspan(header_bytes));
}

}  // namespace

namespace detail {

std::uint32_t crc32c_by_table(std::uint32_t crc, Bytes bytes) {
  while (bytes.size() >= 8) {
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      const std::uint32_t mixed = i < 4 ? crc >> (8 * i) & 255 : 0;
      next ^= tables[7 - i][bytes[i] ^ mixed];
    }
    crc = next;
    bytes = bytes.subspan(8);
  }
  for (const std::uint8_t byte : bytes) crc = crc >> 8 ^ tables[0][(crc ^ byte) & 255];
  return crc;
}

#if defined(__x86_64__)

bool has_crc32c_instruction() {
  return __builtin_cpu_supports("sse4.2") != 0;
}

[[gnu::target("sse4.2")]] std::uint32_t crc32c_by_instruction(std::uint32_t crc, Bytes bytes) {
  std::uint64_t wide = crc;
  while (bytes.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    wide = _mm_crc32_u64(wide, word);
    bytes = bytes.subspan(8);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (const std::uint8_t byte : bytes) crc = _mm_crc32_u8(crc, byte);
  return crc;
}

#else

bool has_crc32c_instruction() {
  return false;
}

std::uint32_t crc32c_by_instruction(std::uint32_t crc, Bytes bytes) {
  return crc32c_by_table(crc, bytes);
}

#endif

}  // namespace detail

std::uint32_t crc32c(Bytes bytes) {
  return ~update(~0u, bytes);
}

void set_checksum(std::span<std::uint8_t> packet) {
  const std::uint32_t crc = packet_checksum(packet);
  for (std::size_t i = 0; i < 4; ++i)
    packet[checksum_offset + i] = static_cast<std::uint8_t>(crc >> (8 * i));
}

bool has_right_checksum(Bytes packet) {
  if (packet.size() < header_bytes) return false;
  std::uint32_t carried = 0;
  for (std::size_t i = 0; i < 4; ++i)
    carried |= static_cast<std::uint32_t>(packet[checksum_offset + i]) << (8 * i);
  return carried == packet_checksum(packet);
}

}  // namespace chatixia::rtc::sctp
