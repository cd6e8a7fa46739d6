#pragma once

namespace chatixia::sidecar {

// Has this process asked to end (SIGTERM) when the process that started it ends, however that
// comes about. False when it has ended already; without effect when `pid` is zero, or is not our
// parent because something stands in between.
bool end_with_parent(int pid);

}  // namespace chatixia::sidecar
