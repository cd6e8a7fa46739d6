#include "net/task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

namespace chatixia::net {

void spawn(Loop& loop, Task<void> task) {
  const Executor executor = executor_of(loop);
  asio::post(executor, [executor, task = std::move(task)]() mutable {
    asio::co_spawn(executor, std::move(task), [](const std::exception_ptr& thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  });
}

}  // namespace chatixia::net
