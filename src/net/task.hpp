#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/asio_internal.hpp"

namespace chatixia::net {

// A coroutine on a loop. Take parameters by value, and keep what you use alive by a shared_ptr
// among them: a task has no owner but the operation it waits for. It ends when that fails, so
// whoever wants it to stop closes its socket; the loop destroys what still waits in the end.
template <class T>
using Task = asio::awaitable<T, Executor>;

// Completes an Asio operation with a tuple of its error and results, in place of an exception.
inline constexpr asio::as_tuple_t<asio::use_awaitable_t<Executor>> as_result{
    asio::use_awaitable_t<Executor>{}};

// Starts `task`, never before this returns; the one place that does. An exception that leaves it
// is a bug and leaves Loop::run().
void spawn(Loop& loop, Task<void> task);

}  // namespace chatixia::net
