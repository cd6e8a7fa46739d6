#pragma once

#include <functional>
#include <vector>

#include "net/loop.hpp"
#include "protocol/registry_api.hpp"
#include "rtc/ice/gatherer.hpp"
#include "sidecar/options.hpp"

namespace chatixia::sidecar {

// The ICE servers that the environment names, in the form of the registry's answer. TURN_SECRET
// makes coturn REST credentials that hold for a day from `now`.
protocol::api::Config configured_servers(const Options& options, WallTime now);

// Resolves the servers' names and hands over what can be used: STUN and TURN over UDP. `done` is
// called once, from the loop, and not when the loop ends before; servers that cannot be resolved
// are logged and left out.
void resolve_servers(net::Loop& loop, const protocol::api::Config& config,
                     std::function<void(std::vector<rtc::ice::Server>)> done);

}  // namespace chatixia::sidecar
