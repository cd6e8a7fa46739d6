#pragma once

#include <functional>
#include <signal.h>

#include "net/asio_internal.hpp"

namespace chatixia::net {

// Turns the first SIGTERM or SIGINT into a call on the loop. The second is handled in the signal
// handler itself, so it works when the loop does not.
struct Loop::Native::Terminator {
 public:
  Terminator(Native& native, std::move_only_function<void()> handler);
  // Puts the former dispositions back.
  ~Terminator();
  Terminator(const Terminator&) = delete;
  Terminator& operator=(const Terminator&) = delete;

 private:
  Descriptor wake_;
  std::move_only_function<void()> handler_;
  struct sigaction former_term_{};
  struct sigaction former_int_{};
};

}  // namespace chatixia::net
