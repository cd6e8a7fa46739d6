#include "net/loop.hpp"

#include <csignal>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test_loop.hpp"

namespace chatixia::net {
namespace {

using namespace std::chrono_literals;
using test::TestLoop;

TEST(Loop, StopsAtOnceWhenStoppedBeforeItRuns) {
  Loop loop;
  loop.stop();
  loop.run();
  bool ran = false;
  loop.post([&] {
    ran = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(Loop, RunsTasksOfOtherThreadsInItsOwn) {
  Loop loop;
  constexpr int count = 1000;
  int ran = 0;
  std::thread::id ran_in;
  std::thread other([&] {
    for (int i = 0; i < count; ++i)
      loop.post([&] {
        ran_in = std::this_thread::get_id();
        if (++ran == count) loop.stop();
      });
  });
  loop.run();
  other.join();
  EXPECT_EQ(ran, count);
  EXPECT_EQ(ran_in, std::this_thread::get_id());
}

TEST(Loop, StopsForAnotherThreadWhileItSleeps) {
  Loop loop;
  std::thread other;
  loop.post([&] { other = std::thread([&] { loop.stop(); }); });
  loop.run();
  other.join();
}

TEST(Loop, EndsATurnAfterAllThatWasReady) {
  Loop loop;
  std::string order;
  loop.post([&] {
    order += 'a';
    loop.at_turn_end([&] {
      order += 'x';
      loop.at_turn_end([&] {
        order += 'y';
        loop.stop();
      });
    });
  });
  loop.post([&] { order += 'b'; });
  loop.run();
  EXPECT_EQ(order, "abxy");
}

TEST(Loop, RunsATurnEndAskedForBeforeItRuns) {
  Loop loop;
  loop.at_turn_end([&] { loop.stop(); });
  loop.run();
}

TEST(Loop, LetsAnExceptionOutAndRunsOn) {
  Loop loop;
  loop.post([] { throw std::runtime_error("from a handler"); });
  EXPECT_THROW(loop.run(), std::runtime_error);
  loop.post([&] { loop.stop(); });
  loop.run();
}

TEST(Loop, DropsWhatStillWaitsWithoutACall) {
  bool called = false;
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> watch = token;
  {
    Loop loop;
    loop.post([&called, token = std::move(token)] { called = true; });
  }
  EXPECT_FALSE(called);
  EXPECT_TRUE(watch.expired());
}

TEST(Loop, HandlesTasksAndTimersWhilePolling) {
  TestLoop loop;
  loop.set_busy_poll(20ms);
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  timer.expires_after(5ms);
  std::thread other([&] { loop.post([&] { ++fired; }); });
  EXPECT_TRUE(loop.run_until([&] { return fired == 2; }));
  other.join();
}

TEST(Loop, SleepsAgainWhenTrafficIsNoLongerFresh) {
  Loop loop;
  loop.set_busy_poll(1ms);
  Timer timer(loop, [&] { loop.stop(); });
  timer.expires_after(200ms);
  const std::clock_t before = std::clock();
  loop.run();
  const double busy = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_LT(busy, 0.1);
}

TEST(Timer, FiresOnceAtItsDeadline) {
  TestLoop loop;
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  const Instant due = now() + 10ms;
  timer.expires_at(due);
  EXPECT_TRUE(loop.run_until([&] { return fired > 0; }));
  EXPECT_GE(now(), due);
  loop.run_for(20ms);
  EXPECT_EQ(fired, 1);
}

TEST(Timer, FiresForADeadlineInThePast) {
  TestLoop loop;
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.expires_at(now() - 1h);
  EXPECT_FALSE(fired);
  EXPECT_TRUE(loop.run_until([&] { return fired; }));
}

TEST(Timer, MovesEarlier) {
  TestLoop loop;
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.expires_after(1h);
  loop.run_for(2ms);
  timer.expires_after(5ms);
  EXPECT_TRUE(loop.run_until([&] { return fired; }));
}

TEST(Timer, MovesLaterWithoutFiringBefore) {
  TestLoop loop;
  std::optional<Instant> fired;
  Timer timer(loop, [&] { fired = now(); });
  timer.expires_after(5ms);
  const Instant due = now() + 40ms;
  timer.expires_at(due);
  EXPECT_TRUE(loop.run_until([&] { return fired.has_value(); }));
  EXPECT_GE(*fired, due);
}

TEST(Timer, StaysSilentOnceCancelledOrNever) {
  TestLoop loop;
  int fired = 0;
  Timer cancelled(loop, [&] { ++fired; });
  cancelled.expires_after(2ms);
  cancelled.cancel();
  Timer disarmed(loop, [&] { ++fired; });
  disarmed.expires_after(2ms);
  disarmed.expires_at(never);
  loop.run_for(20ms);
  EXPECT_EQ(fired, 0);
  cancelled.expires_after(1ms);
  EXPECT_TRUE(loop.run_until([&] { return fired == 1; }));
}

TEST(Timer, MayBeSetAgainFromItsCall) {
  TestLoop loop;
  int fired = 0;
  Timer* self = nullptr;
  Timer timer(loop, [&] {
    if (++fired < 3) self->expires_after(1ms);
  });
  self = &timer;
  timer.expires_after(1ms);
  EXPECT_TRUE(loop.run_until([&] { return fired == 3; }));
}

TEST(Timer, MayBeDestroyedFromItsCall) {
  TestLoop loop;
  bool fired = false;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    timer.reset();
    fired = true;
  });
  timer->expires_after(1ms);
  EXPECT_TRUE(loop.run_until([&] { return fired; }));
}

TEST(Timer, IsSilentAfterItsDestruction) {
  TestLoop loop;
  bool fired = false;
  {
    Timer timer(loop, [&] { fired = true; });
    timer.expires_after(1ms);
  }
  loop.run_for(10ms);
  EXPECT_FALSE(fired);
}

// Signals act on the process, so each case has one of its own; its exit code is the verdict.
int exit_code_of(const std::function<void()>& child) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    child();
    ::_exit(99);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Terminate, CallsTheHandlerForTheFirstSignal) {
  const int code = exit_code_of([] {
    Loop loop;
    loop.on_terminate([&] { ::_exit(7); });
    loop.post([] { ::kill(::getpid(), SIGTERM); });
    loop.run();
  });
  EXPECT_EQ(code, 7);
}

TEST(Terminate, EndsAHungProcessForTheSecondSignal) {
  const int code = exit_code_of([] {
    Loop loop;
    loop.on_terminate([] {});
    loop.post([] {
      ::raise(SIGINT);
      ::raise(SIGTERM);
    });
    loop.run();
  });
  EXPECT_EQ(code, 130);
}

TEST(Terminate, IsGivenBackWithTheLoop) {
  const int code = exit_code_of([] {
    std::signal(SIGTERM, SIG_IGN);
    const auto is_ignored = [] {
      struct sigaction action{};
      ::sigaction(SIGTERM, nullptr, &action);
      return action.sa_handler == SIG_IGN;
    };
    {
      Loop loop;
      loop.on_terminate([] {});
      if (is_ignored()) ::_exit(1);
    }
    if (!is_ignored()) ::_exit(2);
    Loop again;
    again.on_terminate([] {});
    ::_exit(is_ignored() ? 3 : 5);
  });
  EXPECT_EQ(code, 5);
}

}  // namespace
}  // namespace chatixia::net
