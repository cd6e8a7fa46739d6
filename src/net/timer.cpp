#include "net/asio_internal.hpp"
#include "net/loop.hpp"

namespace chatixia::net {

// The clock is armed for the earliest deadline asked for. A deadline that moves later leaves it
// armed; the wake-up then finds that it came too early and arms anew.
struct Timer::State : std::enable_shared_from_this<State> {
  State(Loop& loop, std::function<void()> handler)
      : clock(executor_of(loop)), on_expiry(std::move(handler)) {}

  void arm() {
    armed_at = deadline;
    const auto arming = ++armings;
    clock.expires_at(deadline);
    clock.async_wait([self = shared_from_this(), arming](ErrorCode error) {
      // Moving the clock cannot recall a wake-up that is already queued.
      if (error || arming != self->armings) return;
      self->on_wake();
    });
  }

  void on_wake() {
    armed_at = never;
    if (deadline == never) return;
    if (deadline > now()) return arm();
    deadline = never;
    on_expiry();
  }

  SteadyTimer clock;
  std::function<void()> on_expiry;
  Instant deadline = never;
  Instant armed_at = never;
  std::uint64_t armings = 0;
};

Timer::Timer(Loop& loop, std::function<void()> on_expiry)
    : state_(std::make_shared<State>(loop, std::move(on_expiry))) {}

Timer::~Timer() {
  ++state_->armings;
  state_->clock.cancel();
}

void Timer::expires_at(Instant deadline) {
  state_->deadline = deadline;
  if (deadline < state_->armed_at) state_->arm();
}

void Timer::expires_after(Duration delay) {
  const Instant from = now();
  expires_at(delay < never - from ? from + delay : never);
}

void Timer::cancel() {
  state_->deadline = never;
}

}  // namespace chatixia::net
