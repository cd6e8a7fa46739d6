#include "agent/worker_pool.hpp"

#include <atomic>
#include <latch>
#include <memory>

#include <gtest/gtest.h>

namespace chatixia::agent {
namespace {

TEST(WorkerPool, RunsWhatItIsGivenInOrder) {
  std::vector<int> done;
  std::latch end(1);
  WorkerPool pool(1, 8);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(pool.try_submit([&, i] { done.push_back(i); }));
  ASSERT_TRUE(pool.try_submit([&] { end.count_down(); }));
  end.wait();
  EXPECT_EQ(done, (std::vector<int>{0, 1, 2}));
}

TEST(WorkerPool, RunsAsManyAtATimeAsItHasThreads) {
  constexpr int threads = 3;
  std::latch together(threads);
  std::latch end(threads);
  WorkerPool pool(threads, 8);
  for (int i = 0; i < threads; ++i)
    ASSERT_TRUE(pool.try_submit([&] {
      together.arrive_and_wait();  // never passes when they run one after the other
      end.count_down();
    }));
  end.wait();
}

TEST(WorkerPool, TakesNoMoreThanMayWait) {
  std::latch begun(1);
  std::latch go(1);
  std::latch end(3);
  WorkerPool pool(1, 2);
  ASSERT_TRUE(pool.try_submit([&] {
    begun.count_down();
    go.wait();
    end.count_down();
  }));
  begun.wait();
  EXPECT_TRUE(pool.try_submit([&] { end.count_down(); }));
  EXPECT_TRUE(pool.try_submit([&] { end.count_down(); }));
  EXPECT_FALSE(pool.try_submit([] { FAIL(); }));
  go.count_down();
  end.wait();
  std::latch again(1);
  EXPECT_TRUE(pool.try_submit([&] { again.count_down(); }));
  again.wait();
}

TEST(WorkerPool, StopWaitsForWhatHasBegunAndDropsTheRest) {
  std::latch begun(1);
  std::latch go(1);
  std::atomic<int> ended = 0;
  const auto token = std::make_shared<int>();
  WorkerPool pool(1, 1'000'000'000);
  ASSERT_TRUE(pool.try_submit([&] {
    begun.count_down();
    go.wait();
    ++ended;
  }));
  begun.wait();
  ASSERT_TRUE(pool.try_submit([token] { FAIL(); }));
  std::thread stopper([&] { pool.stop(); });
  while (pool.try_submit([] { FAIL(); })) std::this_thread::yield();
  EXPECT_EQ(ended, 0);
  go.count_down();
  stopper.join();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(token.use_count(), 1);
}

TEST(WorkerPool, TakesNothingAfterStopAndStopsTwice) {
  WorkerPool pool(2, 8);
  pool.stop();
  EXPECT_FALSE(pool.try_submit([] { FAIL(); }));
  pool.stop();
}

}  // namespace
}  // namespace chatixia::agent
