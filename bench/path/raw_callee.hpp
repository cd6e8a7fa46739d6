#pragma once

#include <cstdint>

#include "path/figures.hpp"
#include "path/raw_links.hpp"

namespace chatixia::bench {

// The process that answers: echoes pings, counts data between `begin` and `end`, reports its
// memory.
class RawCallee {
 public:
  explicit RawCallee(RawLinks& links) : links_(links) {}
  void start();

 private:
  void handle_message(int number, Bytes message);

  RawLinks& links_;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  Clock::time_point began_;
  double cpu_began_ = 0;
};

}  // namespace chatixia::bench
