#include "registry/uuid.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "crypto/encoding.hpp"

namespace chatixia::registry {

std::string UuidSource::next(WallTime now) {
  constexpr std::uint32_t counter_end = 1U << 12;
  const auto clock = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::uint64_t millisecond = clock > 0 ? static_cast<std::uint64_t>(clock) : 0;
  if (millisecond > millisecond_) {
    millisecond_ = millisecond;
    // Half the range stays free for more ids within this millisecond.
    counter_ = static_cast<std::uint32_t>(random_.below(counter_end / 2));
  } else if (++counter_ == counter_end) {
    ++millisecond_;
    counter_ = 0;
  }

  Buffer tail = random_.bytes(8);
  tail[0] = static_cast<std::uint8_t>((tail[0] & 0x3f) | 0x80);
  ByteWriter writer(16);
  writer.u32(static_cast<std::uint32_t>(millisecond_ >> 16));
  writer.u16(static_cast<std::uint16_t>(millisecond_));
  writer.u16(static_cast<std::uint16_t>(0x7000 | counter_));
  writer.bytes(tail);

  std::string text = crypto::to_hex(writer.view());
  for (const std::size_t position : {8U, 13U, 18U, 23U}) text.insert(position, 1, '-');
  return text;
}

}  // namespace chatixia::registry
