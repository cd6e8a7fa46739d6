#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace chatixia {

// Where randomness comes from; always handed in, so a seed can replay a run.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void fill(std::span<std::uint8_t> out) = 0;

  std::uint32_t u32();
  std::uint64_t u64();
  // Uniform in [0, bound); zero for bound zero.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1).
  double unit();
  // Uniform in [zero, limit).
  Duration up_to(Duration limit);
  // `size` characters drawn from `alphabet`.
  std::string text(std::size_t size, std::string_view alphabet);
  Buffer bytes(std::size_t size);
};

// Repeatable and not secret: simulations and tests.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> out) override;

 private:
  std::uint64_t state_;
};

}  // namespace chatixia
