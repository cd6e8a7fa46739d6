#pragma once

#include <string>
#include <vector>

#include "path/agent.hpp"

namespace chatixia::bench {

// Echoes x_ping and acknowledges x_data to whoever sent it, until the sidecar goes.
void serve(Agent& agent);

// One x_ping at a time; prints p50 and p99 of the round trips in microseconds.
void ping(Agent& agent, const std::string& peer, int count, std::size_t size);

// x_data one way for `seconds` with a bounded number of bytes unacknowledged, so that nothing is
// refused; prints messages and megabytes a second as the receiver acknowledged them, and the
// processor time of `sidecars` for each gigabyte.
void stream(Agent& agent, const std::string& peer, double seconds, std::size_t size,
            const std::vector<int>& sidecars);

}  // namespace chatixia::bench
