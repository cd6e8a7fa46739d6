#pragma once

#include <functional>
#include <memory>

#include "base/time.hpp"

namespace chatixia::net {

// One thread's event loop; everything in net/ belongs to one and is used from its thread alone,
// except post() and stop(). It outlives all that was made on it; what still waits when it is
// destroyed is dropped without a call. Asio stays behind it.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(), at once if that was called before. An exception that leaves a handler
  // leaves run(), which may then be called again.
  void run();
  void stop();
  // Runs `task` on the loop's thread; from any thread.
  void post(std::move_only_function<void()> task);
  // Runs `task` once, when everything that was ready in this turn has been handled: the place to
  // hand on in one batch what many handlers produced.
  void at_turn_end(std::move_only_function<void()> task);
  // Calls `handler` once for the first SIGTERM or SIGINT; a second signal ends the process with
  // code 130, even when the loop hangs. One loop of a process may ask for it. Other signals stay
  // with the process, but SIGPIPE is ignored as soon as a Loop exists.
  void on_terminate(std::move_only_function<void()> handler);

  // While traffic is fresh, poll instead of sleeping for up to this long; zero never spins.
  void set_busy_poll(Duration limit);

  struct Native;  // asio::io_context, for net/*.cpp
  Native& native();

 private:
  std::unique_ptr<Native> native_;
};

// Calls `on_expiry` once at a deadline that may be moved at any time, also within the call. Moving
// a deadline later costs no system call, so it may be done for every packet.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> on_expiry);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // `never` disarms. Moving the deadline replaces it.
  void expires_at(Instant deadline);
  void expires_after(Duration delay);
  void cancel();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The monotonic and the civil clock; drivers read them here and hand `now` on.
Instant now();
WallTime wall_now();

}  // namespace chatixia::net
