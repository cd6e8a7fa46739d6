#include "net/udp_socket.hpp"

#include <boost/asio/post.hpp>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "base/assert.hpp"
#include "net/asio_internal.hpp"
#include "net/sockaddr.hpp"
#include "net/udp_receive.hpp"
#include "net/udp_send.hpp"

namespace chatixia::net {
namespace {

bool set_option(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

// The forced form ignores the system's ceiling, and needs CAP_NET_ADMIN.
void set_buffer(int fd, int forced, int plain, int bytes) {
  if (!set_option(fd, SOL_SOCKET, forced, bytes)) set_option(fd, SOL_SOCKET, plain, bytes);
}

// What must work for the socket to keep its promises; the rest makes it faster.
bool set_required(int fd, bool v4) {
  if (v4) return set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
  return set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
         set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

void set_preferred(int fd, bool v4, const UdpSocket::Options& options) {
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer_bytes);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer_bytes);
  if (options.segmentation_offload) set_option(fd, SOL_UDP, UDP_GRO, 1);
  // Never fragment and let no ICMP message lower the limit: whoever sends probes the path itself
  // (RFC 8899), and a forged "too big" must not shrink it.
  if (v4) {
    set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  } else {
    set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    set_option(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
  }
}

Result<UniqueFd> open_socket(const Endpoint& local, const UdpSocket::Options& options) {
  const bool v4 = local.ip.is_v4();
  UniqueFd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || !set_required(fd.get(), v4))
    return fail(last_error(), "UDP socket for " + local.to_string());
  set_preferred(fd.get(), v4, options);
  const SocketAddress address(local);
  if (::bind(fd.get(), address.data(), address.size) != 0)
    return fail(last_error(), "UDP bind to " + local.to_string());
  return fd;
}

using Handler = std::function<void(std::span<const Datagram>)>;

// Lives as long as an operation of the reactor refers to it.
class UdpCore : public std::enable_shared_from_this<UdpCore> {
 public:
  UdpCore(Loop& loop, UniqueFd fd, bool segmentation)
      : local_(local_endpoint(fd.get())),
        socket_(executor_of(loop), fd.get()),
        receiver_(local_),
        sender_(fd.release(), segmentation) {}

  void start(Handler handler) {
    const bool first = handler_ == nullptr;
    handler_ = std::make_shared<Handler>(std::move(handler));
    if (first) await_readable();
  }

  void send(std::span<const Transmit> batch) {
    sender_.send(batch, stats_);
    if (sender_.is_waiting()) await_writable();
  }

  void close() {
    handler_ = nullptr;
    ErrorCode ignored;
    socket_.close(ignored);
  }

  const Endpoint& local() const { return local_; }
  const UdpSocket::Stats& stats() const { return stats_; }

 private:
  void await_readable() {
    socket_.async_wait(Descriptor::wait_read, [self = shared_from_this()](ErrorCode error) {
      if (!error) self->on_readable();
    });
  }

  // One batch a time, so that timers and other sockets have their turn under a flood.
  void on_readable() {
    // The handler may close or replace itself; the copy keeps what runs alive.
    const auto handler = handler_;
    if (!handler) return;
    const auto batch = receiver_.receive(socket_.native_handle(), stats_);
    if (!batch.empty()) (*handler)(batch);
    if (!handler_) return;
    if (receiver_.drained()) return await_readable();
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->on_readable(); });
  }

  void await_writable() {
    if (awaits_writable_) return;
    awaits_writable_ = true;
    socket_.async_wait(Descriptor::wait_write, [self = shared_from_this()](ErrorCode error) {
      self->awaits_writable_ = false;
      if (error) return;
      self->sender_.flush(self->stats_);
      if (self->sender_.is_waiting()) self->await_writable();
    });
  }

  Endpoint local_;
  Descriptor socket_;
  UdpReceiver receiver_;
  UdpSender sender_;
  UdpSocket::Stats stats_;
  std::shared_ptr<Handler> handler_;
  bool awaits_writable_ = false;
};

class UdpSocketHandle final : public UdpSocket {
 public:
  explicit UdpSocketHandle(std::shared_ptr<UdpCore> core) : core_(std::move(core)) {}
  ~UdpSocketHandle() override { core_->close(); }
  UdpSocketHandle(const UdpSocketHandle&) = delete;
  UdpSocketHandle& operator=(const UdpSocketHandle&) = delete;

  void on_datagrams(Handler handler) override {
    expects(handler != nullptr);
    core_->start(std::move(handler));
  }
  void send(std::span<const Transmit> batch) override { core_->send(batch); }
  Endpoint local() const override { return core_->local(); }
  const Stats& stats() const override { return core_->stats(); }

 private:
  std::shared_ptr<UdpCore> core_;
};

bool is_usable(const ifaddrs& entry) {
  constexpr unsigned wanted = IFF_UP | IFF_RUNNING;
  return entry.ifa_addr != nullptr && (entry.ifa_flags & wanted) == wanted &&
         (entry.ifa_addr->sa_family == AF_INET || entry.ifa_addr->sa_family == AF_INET6);
}

}  // namespace

Result<std::unique_ptr<UdpSocket>> UdpSocket::bind(Loop& loop, const Endpoint& local,
                                                   const Options& options) {
  auto fd = open_socket(local, options);
  if (!fd) return std::unexpected(fd.error());
  return std::make_unique<UdpSocketHandle>(
      std::make_shared<UdpCore>(loop, std::move(*fd), options.segmentation_offload));
}

std::vector<IpAddress> interface_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  std::vector<IpAddress> addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (!is_usable(*entry)) continue;
    const IpAddress ip =
        entry->ifa_addr->sa_family == AF_INET
            ? to_ip(reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr)
            : to_ip(reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr);
    if (ip.is_v6() && ip.is_link_local()) continue;
    addresses.push_back(ip);
  }
  ::freeifaddrs(list);
  return addresses;
}

}  // namespace chatixia::net
