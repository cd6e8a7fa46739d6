#pragma once

// Asio for net/*.cpp. No header that another module includes may include this one: a file that
// sees Asio or Beast takes many times as long to compile.

#include <atomic>
#include <chrono>
#include <functional>
#include <vector>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <system_error>

#include "base/result.hpp"
#include "net/loop.hpp"
#include "net/unique_fd.hpp"

namespace boost::asio::ssl {
class context;
}

namespace chatixia::net {

class Resolver;

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Executor = asio::io_context::executor_type;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
using SteadyTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>;

struct Loop::Native {
  // One thread runs it; the hint spares the wake-ups that several would need.
  asio::io_context context{1};
  asio::executor_work_guard<Executor> work{context.get_executor()};
  std::atomic<bool> stopped = false;
  Duration busy_poll = Duration::zero();
  std::vector<std::move_only_function<void()>> turn_end;
  // The loop is being destroyed: what dies with it starts nothing any more.
  bool ended = false;

  std::unique_ptr<Resolver> resolver;
  // Made when first needed: reading the system's certificates takes tens of milliseconds.
  std::shared_ptr<asio::ssl::context> tls;

  struct Terminator;
  std::unique_ptr<Terminator> terminator;

  explicit Native(Loop& loop);
  ~Native();
  bool end_turn();
};

inline Executor executor_of(Loop& loop) {
  return loop.native().context.get_executor();
}

inline Error to_error(const ErrorCode& error, std::string context) {
  return {error, std::move(context)};
}

// The last failed system call, as an Error's code.
inline std::error_code last_error() {
  return {errno, std::generic_category()};
}

}  // namespace chatixia::net
