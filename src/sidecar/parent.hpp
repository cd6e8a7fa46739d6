#pragma once

namespace chatixia::sidecar {

// Has this process asked to end (SIGTERM) when the process that started it ends, however that
// comes about. False when it has ended already; without effect when `pid` is zero, or is not our
// parent because something stands in between. To the kernel the parent is the thread that started
// us: one that ends before its program does takes us along.
bool end_with_parent(int pid);

}  // namespace chatixia::sidecar
