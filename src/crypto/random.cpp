#include "crypto/random.hpp"

#include <algorithm>
#include <limits>

#include <openssl/rand.h>

#include "base/assert.hpp"

namespace chatixia::crypto {

void SystemRandom::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    // RAND_bytes counts in int.
    const std::size_t size = std::min<std::size_t>(out.size(), std::numeric_limits<int>::max());
    expects(RAND_bytes(out.data(), static_cast<int>(size)) == 1);
    out = out.subspan(size);
  }
}

}  // namespace chatixia::crypto
