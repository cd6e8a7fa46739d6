#include "net/loop.hpp"

#include <csignal>

#include <boost/asio/post.hpp>

#include "net/asio_internal.hpp"
#include "net/resolver.hpp"
#include "net/terminator.hpp"

namespace chatixia::net {
namespace {

// A turn ends after this much even if more is ready, so that what handlers queued gets out.
constexpr int turn_handlers_max = 256;
constexpr Duration turn_time_max = std::chrono::milliseconds(1);
// What came from the network goes through the mesh to the agent's socket: two rounds, and one over.
constexpr int end_rounds_max = 3;

}  // namespace

Loop::Native::Native(Loop& loop) : resolver(std::make_unique<Resolver>(loop)) {}
Loop::Native::~Native() = default;

// Tasks queued by tasks run as well, in their order; what goes on for ever continues next turn.
bool Loop::Native::end_turn() {
  if (turn_end.empty()) return false;
  for (int round = 0; round < end_rounds_max && !turn_end.empty(); ++round) {
    auto tasks = std::exchange(turn_end, {});
    for (auto& task : tasks) task();
  }
  return true;
}

Loop::Loop() : native_(std::make_unique<Native>(*this)) {
  // A peer that went away is an error code of the write, not a signal.
  std::signal(SIGPIPE, SIG_IGN);
}

Loop::~Loop() {
  native_->ended = true;
}

void Loop::run() {
  auto& context = native_->context;
  Instant active_at = now();
  bool may_sleep = false;
  while (!native_->stopped.load(std::memory_order_acquire)) {
    std::size_t handled = may_sleep ? context.run_one() : 0;
    const Instant turn_began = now();
    while (handled < turn_handlers_max && now() - turn_began < turn_time_max &&
           !native_->stopped.load(std::memory_order_relaxed) && context.poll_one() > 0)
      ++handled;
    const bool ended = native_->end_turn();

    if (handled > 0 || ended) active_at = turn_began;
    may_sleep = native_->turn_end.empty() &&
                (native_->busy_poll == Duration::zero() || now() - active_at >= native_->busy_poll);
  }
  native_->stopped = false;
}

void Loop::stop() {
  native_->stopped.store(true, std::memory_order_release);
  asio::post(native_->context, [] {});
}

void Loop::post(std::move_only_function<void()> task) {
  asio::post(native_->context, std::move(task));
}

void Loop::at_turn_end(std::move_only_function<void()> task) {
  native_->turn_end.push_back(std::move(task));
}

void Loop::on_terminate(std::move_only_function<void()> handler) {
  native_->terminator = nullptr;
  native_->terminator = std::make_unique<Native::Terminator>(*native_, std::move(handler));
}

void Loop::set_busy_poll(Duration limit) {
  native_->busy_poll = limit;
}

Loop::Native& Loop::native() {
  return *native_;
}

Instant now() {
  return std::chrono::steady_clock::now();
}

WallTime wall_now() {
  return std::chrono::system_clock::now();
}

}  // namespace chatixia::net
