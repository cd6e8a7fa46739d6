#pragma once

#include <cstdint>
#include <string>

#include "base/random.hpp"
#include "base/time.hpp"

namespace chatixia::registry {

// Makes UUIDv7 texts (RFC 9562, section 5.7) that never sort before an earlier one of the same
// source: the twelve bits behind the millisecond count (section 6.2, method 1).
class UuidSource {
 public:
  explicit UuidSource(RandomSource& random) : random_(random) {}
  std::string next(WallTime now);

 private:
  RandomSource& random_;
  std::uint64_t millisecond_ = 0;
  std::uint32_t counter_ = 0;
};

}  // namespace chatixia::registry
