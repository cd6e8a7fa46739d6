#pragma once

#include <functional>

#include "net/loop.hpp"

namespace chatixia::test {

// A loop for tests with real sockets: runs until a condition holds, or gives up.
class TestLoop : public net::Loop {
 public:
  // False when `done` did not come true within `limit`.
  [[nodiscard]] bool run_until(const std::function<bool()>& done,
                               Duration limit = std::chrono::seconds(10)) {
    constexpr Duration step = std::chrono::milliseconds(1);
    const Instant end = net::now() + limit;
    bool held = done();
    net::Timer* self = nullptr;
    net::Timer check(*this, [&] {
      held = done();
      if (held || net::now() >= end) return stop();
      self->expires_after(step);
    });
    self = &check;
    if (held) return true;
    check.expires_after(step);
    run();
    return held;
  }

  // Lets whatever is under way happen.
  void run_for(Duration time) {
    [[maybe_unused]] const bool never_true = run_until([] { return false; }, time);
  }
};

}  // namespace chatixia::test
