#include "base/random.hpp"

#include <algorithm>

namespace chatixia {

std::uint32_t RandomSource::u32() {
  return static_cast<std::uint32_t>(u64());
}

std::uint64_t RandomSource::u64() {
  std::uint8_t raw[8];
  fill(raw);
  return ByteReader(raw).u64();
}

std::uint64_t RandomSource::below(std::uint64_t bound) {
  if (bound == 0) return 0;
  // Draws from the part of the range that `bound` divides, so no value is favoured.
  const std::uint64_t limit = ~std::uint64_t{0} - ~std::uint64_t{0} % bound;
  for (;;) {
    const std::uint64_t draw = u64();
    if (draw < limit) return draw % bound;
  }
}

double RandomSource::unit() {
  return static_cast<double>(u64() >> 11) * 0x1.0p-53;
}

Duration RandomSource::up_to(Duration limit) {
  if (limit <= Duration::zero()) return Duration::zero();
  return Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>(limit.count()))));
}

std::string RandomSource::text(std::size_t size, std::string_view alphabet) {
  std::string out(size, ' ');
  for (char& c : out) c = alphabet[below(alphabet.size())];
  return out;
}

Buffer RandomSource::bytes(std::size_t size) {
  Buffer out(size);
  fill(out);
  return out;
}

void SeededRandom::fill(std::span<std::uint8_t> out) {
  // SplitMix64: one addition and three mixes a word, and every seed is a good one.
  while (!out.empty()) {
    std::uint64_t word = state_ += 0x9e3779b97f4a7c15;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    word ^= word >> 31;
    const std::size_t size = std::min<std::size_t>(8, out.size());
    std::memcpy(out.data(), &word, size);
    out = out.subspan(size);
  }
}

}  // namespace chatixia
