#include "net/line_socket.hpp"

#include <cerrno>

#include <sys/socket.h>

#include "base/log.hpp"
#include "net/asio_internal.hpp"
#include "net/line_core.hpp"
#include "net/socket_path.hpp"

namespace chatixia::net {
namespace {

constexpr Log log("net");

// One agent needs one connection; a few tools and a reconnect fit beside it.
constexpr long connections_max = 16;

// How long accepting pauses when the process has no descriptor left.
constexpr Duration accept_pause = std::chrono::milliseconds(100);

class LineConnectionHandle final : public LineConnection {
 public:
  explicit LineConnectionHandle(std::shared_ptr<LineCore> core) : core_(std::move(core)) {}
  ~LineConnectionHandle() override { core_->abandon(); }
  LineConnectionHandle(const LineConnectionHandle&) = delete;
  LineConnectionHandle& operator=(const LineConnectionHandle&) = delete;

  void start(Handlers handlers) override { core_->start(std::move(handlers)); }
  bool send_line(std::string_view line) override { return core_->send_line(line); }
  std::size_t queued_bytes() const override { return core_->queued_bytes(); }
  Unsent take_unsent() override { return core_->take_unsent(); }
  void close() override { core_->close(); }

 private:
  std::shared_ptr<LineCore> core_;
};

using OnConnection = std::function<void(std::shared_ptr<LineConnection>)>;

class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(Loop& loop, SocketPath path, const LineConnection::Options& options,
           OnConnection on_connection)
      : loop_(loop),
        socket_(executor_of(loop), path.take_fd().release()),
        path_(std::move(path)),
        options_(options),
        on_connection_(std::make_shared<OnConnection>(std::move(on_connection))),
        pause_(loop, [this] { await_connection(); }) {}

  void await_connection() {
    socket_.async_wait(Descriptor::wait_read, [self = shared_from_this()](ErrorCode error) {
      if (!error) self->accept_all();
    });
  }

  void close() {
    path_.unlink();
    pause_.cancel();
    on_connection_ = nullptr;
    ErrorCode ignored;
    socket_.close(ignored);
  }

 private:
  void accept_all() {
    // The handler may destroy the server, and with it itself; the copy keeps it alive.
    while (const auto handler = on_connection_) {
      UniqueFd fd(
          ::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd) {
        admit(std::move(fd), *handler);
      } else if (errno == EAGAIN) {
        return await_connection();
      } else if (errno != EINTR && errno != ECONNABORTED) {
        log.warning("cannot accept", {{"path", path_.path()}, {"error", last_error().message()}});
        return pause_.expires_after(accept_pause);
      }
    }
  }

  void admit(UniqueFd fd, const OnConnection& handler) {
    if (!is_peer_trusted(fd.get(), false)) {
      log.warning("connection of another user refused", {{"path", path_.path()}});
      return;
    }
    if (slots_.use_count() > connections_max) {
      log.warning("too many connections", {{"path", path_.path()}, {"max", connections_max}});
      return;
    }
    handler(make_line_connection(loop_, std::move(fd), options_, slots_));
  }

  Loop& loop_;
  Descriptor socket_;
  SocketPath path_;
  LineConnection::Options options_;
  std::shared_ptr<OnConnection> on_connection_;
  Timer pause_;
  // Every open connection holds a copy, so its count is theirs and one.
  std::shared_ptr<void> slots_ = std::make_shared<char>();
};

class LineServerHandle final : public LineServer {
 public:
  explicit LineServerHandle(std::shared_ptr<Acceptor> acceptor) : acceptor_(std::move(acceptor)) {}
  ~LineServerHandle() override { acceptor_->close(); }
  LineServerHandle(const LineServerHandle&) = delete;
  LineServerHandle& operator=(const LineServerHandle&) = delete;

 private:
  std::shared_ptr<Acceptor> acceptor_;
};

}  // namespace

std::shared_ptr<LineConnection> make_line_connection(Loop& loop, UniqueFd fd,
                                                     const LineConnection::Options& options,
                                                     std::shared_ptr<void> slot) {
  return std::make_shared<LineConnectionHandle>(
      std::make_shared<LineCore>(loop, std::move(fd), options, std::move(slot)));
}

Result<std::shared_ptr<LineConnection>> LineConnection::connect(Loop& loop, const std::string& path,
                                                                const Options& options) {
  auto fd = connect_socket_path(path);
  if (!fd) return std::unexpected(fd.error());
  return make_line_connection(loop, std::move(*fd), options, nullptr);
}

Result<std::unique_ptr<LineServer>> LineServer::listen(Loop& loop, const std::string& path,
                                                       const LineConnection::Options& options,
                                                       OnConnection on_connection) {
  auto socket = SocketPath::listen(path);
  if (!socket) return std::unexpected(socket.error());
  auto acceptor =
      std::make_shared<Acceptor>(loop, std::move(*socket), options, std::move(on_connection));
  acceptor->await_connection();
  return std::make_unique<LineServerHandle>(std::move(acceptor));
}

}  // namespace chatixia::net
