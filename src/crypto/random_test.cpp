#include "crypto/random.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace chatixia::crypto {
namespace {

TEST(SystemRandom, FillsTheWholeSpanAndNeverRepeats) {
  SystemRandom random;
  const Buffer a = random.bytes(64);
  const Buffer b = random.bytes(64);
  EXPECT_NE(a, b);
  // Sixty-four draws that leave the last eight bytes untouched at zero would be a miracle.
  EXPECT_TRUE(std::any_of(a.end() - 8, a.end(), [](auto byte) { return byte != 0; }));
}

TEST(SystemRandom, AcceptsAnEmptySpan) {
  SystemRandom random;
  random.fill({});
}

}  // namespace
}  // namespace chatixia::crypto
