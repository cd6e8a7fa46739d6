#pragma once

#include "agent/runtime.hpp"
#include "agent/sidecar_link.hpp"

namespace chatixia::agent {

// Where the sidecar of an agent is, and how it is started if it is to be a child: with the
// registry's addresses in its environment, unless those were set by hand.
Result<SidecarLink::Options> sidecar_link_options(const Runtime::Options& options,
                                                  const GetVariable& variable);

}  // namespace chatixia::agent
