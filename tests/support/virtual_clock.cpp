// RAND_set_rand_method is deprecated in OpenSSL 3.0 and has no successor that is this small.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "support/virtual_clock.hpp"

#include <atomic>
#include <mutex>
#include <optional>
#include <time.h>

#include <openssl/rand.h>
#include <sys/time.h>

#include "base/random.hpp"

namespace chatixia::testing {
namespace {

constexpr std::int64_t epoch_us = 1'893'456'000'000'000;  // 2030-01-01 UTC

// Microseconds since 1970; negative means real time.
std::atomic<std::int64_t> virtual_us{-1};

std::mutex generator_mutex;
std::optional<SeededRandom> generator;

std::int64_t wall_us() {
  const std::int64_t us = virtual_us.load(std::memory_order_relaxed);
  if (us >= 0) return us;
  timespec real{};
  clock_gettime(CLOCK_REALTIME, &real);
  return static_cast<std::int64_t>(real.tv_sec) * 1'000'000 + real.tv_nsec / 1000;
}

int fill(unsigned char* out, int size) {
  const std::lock_guard lock(generator_mutex);
  generator->fill({out, static_cast<std::size_t>(size)});
  return 1;
}

}  // namespace

void set_virtual_time(Instant now) {
  const auto since_start =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  virtual_us.store(epoch_us + since_start, std::memory_order_relaxed);
}

void seed_virtual_randomness(std::uint64_t seed) {
  static const RAND_METHOD method{.seed = nullptr,
                                  .bytes = fill,
                                  .cleanup = nullptr,
                                  .add = nullptr,
                                  .pseudorand = fill,
                                  .status = [] { return 1; }};
  const std::lock_guard lock(generator_mutex);
  generator.emplace(seed);
  RAND_set_rand_method(&method);
}

}  // namespace chatixia::testing

extern "C" {

// The C library declares these two noexcept.
int gettimeofday(timeval* now, void*) noexcept {
  const std::int64_t us = chatixia::testing::wall_us();
  now->tv_sec = us / 1'000'000;
  now->tv_usec = us % 1'000'000;
  return 0;
}

time_t time(time_t* now) noexcept {
  const time_t seconds = chatixia::testing::wall_us() / 1'000'000;
  if (now != nullptr) *now = seconds;
  return seconds;
}

// The linker sends usrsctp's calls of read_random here (-Wl,--wrap=read_random). Weak, because an
// executable may hold no usrsctp.
[[gnu::weak]] void __real_read_random(void* out, std::size_t size);
void __wrap_read_random(void* out, std::size_t size);

void __wrap_read_random(void* out, std::size_t size) {
  const std::lock_guard lock(chatixia::testing::generator_mutex);
  if (chatixia::testing::generator)
    chatixia::testing::generator->fill({static_cast<std::uint8_t*>(out), size});
  else
    __real_read_random(out, size);
}
}
