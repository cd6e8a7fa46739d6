#pragma once

#include <algorithm>

#include "base/time.hpp"

namespace chatixia::registry {

// Lets a steady rate pass and a burst on top of it.
class TokenBucket {
 public:
  struct Options {
    double per_second = 200;
    double burst = 1000;
  };
  TokenBucket(const Options& options, Instant now)
      : options_(options), tokens_(options.burst), filled_at_(now) {}

  bool take(Instant now) {
    const std::chrono::duration<double> passed = now - filled_at_;
    filled_at_ = now;
    tokens_ = std::min(options_.burst, tokens_ + passed.count() * options_.per_second);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  Options options_;
  double tokens_;
  Instant filled_at_;
};

}  // namespace chatixia::registry
