#pragma once

#include <cstdint>

#include "base/time.hpp"

// usrsctp and OpenSSL read the wall clock and draw random bytes on their own. An executable that
// links chatixia::virtual_clock answers them instead, so that a run replays from its seed.
namespace chatixia::testing {

// From the first call on, gettimeofday() and time() tell `now` as if the instant's epoch were
// 2030-01-01 UTC; before it they tell the real time.
void set_virtual_time(Instant now);

// From the first call on, OpenSSL and usrsctp draw from a generator with this seed.
void seed_virtual_randomness(std::uint64_t seed);

}  // namespace chatixia::testing
