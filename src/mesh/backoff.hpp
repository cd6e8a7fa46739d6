#pragma once

#include <algorithm>

#include "base/random.hpp"
#include "base/time.hpp"

namespace chatixia::mesh {

// Waits between tries with full jitter: uniform between zero and a limit that doubles, so that
// many peers that lost the same thing do not come back as one wave.
class Backoff {
 public:
  struct Options {
    Duration min = std::chrono::milliseconds(200);
    Duration max = std::chrono::seconds(30);
  };

  explicit Backoff(Options options) : options_(options), limit_(options.min) {}

  Duration next(RandomSource& random) {
    const Duration wait = random.up_to(limit_);
    limit_ = std::min(limit_ * 2, options_.max);
    return wait;
  }
  void reset() { limit_ = options_.min; }

 private:
  Options options_;
  Duration limit_;
};

}  // namespace chatixia::mesh
