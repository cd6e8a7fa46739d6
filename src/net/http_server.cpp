#include <cerrno>

#include <sys/socket.h>

#include "base/log.hpp"
#include "net/http_session.hpp"
#include "net/http_text.hpp"
#include "net/sockaddr.hpp"

namespace chatixia::net {
namespace {

constexpr Log log("net");

constexpr int backlog = 1024;

// How long accepting pauses when the process has no descriptor left.
constexpr Duration accept_pause = std::chrono::milliseconds(100);

constexpr std::uint16_t going_away = 1001;

Result<UniqueFd> open_listener(const Endpoint& local) {
  const int family = local.ip.is_v4() ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const SocketAddress address(local);
  const int on = 1;
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      ::bind(fd.get(), address.data(), address.size) != 0 || ::listen(fd.get(), backlog) != 0)
    return fail(last_error(), "listen on " + local.to_string());
  return fd;
}

// Takes connections and starts a session for each.
class HttpAcceptor : public std::enable_shared_from_this<HttpAcceptor> {
 public:
  HttpAcceptor(std::shared_ptr<HttpServerState> server, UniqueFd fd)
      : server_(std::move(server)),
        local_(local_endpoint(fd.get())),
        socket_(executor_of(server_->loop), fd.release()),
        pause_(server_->loop, [this] { await_connection(); }) {}

  const Endpoint& local() const { return local_; }

  void await_connection() {
    socket_.async_wait(Descriptor::wait_read, [self = shared_from_this()](ErrorCode error) {
      if (!error) self->accept_all();
    });
  }

  void close() {
    pause_.cancel();
    ErrorCode ignored;
    socket_.close(ignored);
  }

 private:
  void accept_all() {
    while (socket_.is_open()) {
      SocketAddress remote;
      UniqueFd fd(::accept4(socket_.native_handle(), remote.data(), &remote.size,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd) {
        admit(std::move(fd), remote.endpoint());
      } else if (errno == EAGAIN) {
        return await_connection();
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log.warning("cannot accept", {{"error", last_error().message()}});
        return pause_.expires_after(accept_pause);
      }
      // Any other error concerns the one connection that would have come (accept(2)).
    }
  }

  void admit(UniqueFd fd, const Endpoint& remote) {
    const auto connections = static_cast<std::size_t>(server_->slots.use_count() - 1);
    if (connections >= server_->options.connections_max) return refuse(fd.get());
    TcpSocket socket(executor_of(server_->loop));
    ErrorCode error;
    const auto protocol = local_.ip.is_v4() ? asio::ip::tcp::v4() : asio::ip::tcp::v6();
    socket.assign(protocol, fd.get(), error);
    if (error) return;
    fd.release();
    socket.set_option(asio::ip::tcp::no_delay(true), error);
    spawn(server_->loop,
          HttpSession::serve(std::make_shared<HttpSession>(server_, std::move(socket), remote)));
  }

  // Says why if the kernel takes it at once; there is nothing left to wait with.
  static void refuse(int fd) {
    const auto problem = make_problem(503, "unavailable", "too many connections");
    const std::string text = encode_head(problem, false) + problem.body;
    [[maybe_unused]] const auto sent =
        ::send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  std::shared_ptr<HttpServerState> server_;
  Endpoint local_;
  Descriptor socket_;
  Timer pause_;
};

class HttpServerHandle final : public HttpServer {
 public:
  HttpServerHandle(std::shared_ptr<HttpServerState> state, std::shared_ptr<HttpAcceptor> acceptor)
      : state_(std::move(state)), acceptor_(std::move(acceptor)) {}
  HttpServerHandle(const HttpServerHandle&) = delete;
  HttpServerHandle& operator=(const HttpServerHandle&) = delete;

  ~HttpServerHandle() override {
    stop_listening();
    state_->handlers = nullptr;
    for (HttpSession* session : state_->sessions) session->close();
  }

  Endpoint local() const override { return acceptor_->local(); }

  void shut_down() override {
    stop_listening();
    for (HttpSession* session : state_->sessions) session->shut_down();
  }

 private:
  void stop_listening() {
    state_->shutting_down = true;
    acceptor_->close();
    for (const auto& weak : std::exchange(state_->websockets, {}))
      if (const auto websocket = weak.lock())
        websocket->close(going_away, "the server is stopping");
  }

  std::shared_ptr<HttpServerState> state_;
  std::shared_ptr<HttpAcceptor> acceptor_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(Loop& loop, const Endpoint& local,
                                                       const Options& options, Handlers handlers) {
  auto fd = open_listener(local);
  if (!fd) return std::unexpected(fd.error());
  auto state = std::make_shared<HttpServerState>(HttpServerState{
      .loop = loop,
      .options = options,
      .handlers = std::make_shared<Handlers>(std::move(handlers)),
  });
  auto acceptor = std::make_shared<HttpAcceptor>(state, std::move(*fd));
  acceptor->await_connection();
  return std::make_unique<HttpServerHandle>(std::move(state), std::move(acceptor));
}

}  // namespace chatixia::net
