#pragma once

#include "net/stream.hpp"
#include "net/task.hpp"

namespace chatixia::net {

// Says that nothing more follows, then reads and throws away what the other side still sends
// until it leaves too, within limits. Closing with unread bytes would reset the connection, and
// our last words could be lost with it. `socket` outlives the task and is closed at its end.
Task<void> drain(Loop& loop, TcpSocket& socket);

}  // namespace chatixia::net
