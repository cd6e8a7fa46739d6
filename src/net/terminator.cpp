#include "net/terminator.hpp"

#include <cerrno>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.hpp"

namespace chatixia::net {
namespace {

// Signals belong to the process, so this one descriptor does too.
std::atomic<int> wake_fd = -1;
std::atomic<int> signals_seen = 0;
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

// The code a shell reports for a process that SIGINT ended.
constexpr int killed_by_user = 130;

void on_signal(int) {
  const int saved = errno;
  if (signals_seen.fetch_add(1) > 0) ::_exit(killed_by_user);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd.load(), &one, sizeof(one));
  errno = saved;
}

}  // namespace

Loop::Native::Terminator::Terminator(Native& native, std::move_only_function<void()> handler)
    : wake_(native.context.get_executor(), ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      handler_(std::move(handler)) {
  expects(wake_fd.exchange(wake_.native_handle()) == -1);
  signals_seen = 0;
  wake_.async_wait(Descriptor::wait_read, [this](ErrorCode error) {
    if (error || !handler_) return;
    auto call = std::exchange(handler_, nullptr);
    call();
  });

  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGTERM, &action, &former_term_);
  ::sigaction(SIGINT, &action, &former_int_);
}

Loop::Native::Terminator::~Terminator() {
  ::sigaction(SIGTERM, &former_term_, nullptr);
  ::sigaction(SIGINT, &former_int_, nullptr);
  wake_fd = -1;
}

}  // namespace chatixia::net
