#pragma once

#include "base/time.hpp"

namespace chatixia::registry {

// Both clocks at one instant: durations are measured on the monotonic one, records and tokens
// show the civil one, so a stepped clock never expires anything.
struct Moment {
  Instant instant;
  WallTime wall;
};

}  // namespace chatixia::registry
