#include "net/drain.hpp"

#include <array>

namespace chatixia::net {
namespace {

constexpr Duration time_max = std::chrono::seconds(2);
constexpr std::size_t bytes_max = 4 * 1024 * 1024;

}  // namespace

Task<void> drain(Loop& loop, TcpSocket& socket) {
  ErrorCode failed;
  socket.shutdown(TcpSocket::shutdown_send, failed);
  Timer limit(loop, [&socket] {
    ErrorCode ignored;
    socket.close(ignored);
  });
  limit.expires_after(time_max);
  std::array<char, 4096> bytes;
  std::size_t total = 0;
  while (!failed && total < bytes_max) {
    const auto [error, size] = co_await socket.async_read_some(asio::buffer(bytes), as_result);
    failed = error;
    total += size;
  }
  socket.close(failed);
}

}  // namespace chatixia::net
