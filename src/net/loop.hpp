#pragma once

#include <functional>
#include <memory>

#include "base/time.hpp"

namespace chatixia::net {

// One thread's event loop; everything in net/ belongs to one and is used from its thread alone,
// except post() and stop(). Asio stays behind it.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(). An exception that leaves a handler leaves run().
  void run();
  void stop();
  // Runs `task` on the loop's thread; from any thread.
  void post(std::move_only_function<void()> task);
  // Calls `handler` once for the first SIGTERM or SIGINT; a second signal ends the process.
  void on_terminate(std::move_only_function<void()> handler);
  // SIGHUP and friends stay with the process.

  // While traffic is fresh, poll instead of sleeping for up to this long; zero never spins.
  void set_busy_poll(Duration limit);

  struct Native;  // asio::io_context, for net/*.cpp
  Native& native();

 private:
  std::unique_ptr<Native> native_;
};

// Calls `on_expiry` once at a deadline that may be moved at any time.
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
