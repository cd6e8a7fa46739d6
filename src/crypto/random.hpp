#pragma once

#include "base/random.hpp"

namespace chatixia::crypto {

// The operating system's randomness through OpenSSL; aborts if there is none.
class SystemRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

}  // namespace chatixia::crypto
