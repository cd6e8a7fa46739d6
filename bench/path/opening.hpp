#pragma once

#include <string>
#include <vector>

#include "path/agent.hpp"

namespace chatixia::bench {

// Starts `command`, a sidecar, `count` times beside the sidecar of `agent`; prints p50 and p99 of
// the milliseconds from the start of the process to the open channel, as `agent` hears of it.
void measure_opening(Agent& agent, const std::vector<std::string>& command, int count);

}  // namespace chatixia::bench
