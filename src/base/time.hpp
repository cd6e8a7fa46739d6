#pragma once

#include <chrono>

namespace chatixia {

// Monotonic time as it is handed into every sans-I/O object; only drivers read the clock.
using Duration = std::chrono::nanoseconds;
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// The deadline of an object that waits for nothing.
inline constexpr Instant never = Instant::max();

// Civil time in seconds and fraction since 1970-01-01 UTC, for tokens and records.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

// Seconds since 1970 with fraction, the form the registry's JSON uses.
constexpr double epoch_seconds(WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

// Milliseconds with fraction, for reports to people.
constexpr double to_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace chatixia
