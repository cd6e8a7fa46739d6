#include "net/udp_send.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <netinet/udp.h>
#include <sys/socket.h>

#include "net/sockaddr.hpp"

namespace chatixia::net {
namespace {

// Linux: UDP_MAX_SEGMENTS is 64 in every kernel that has it, and the whole is one IP packet.
constexpr std::size_t run_datagrams_max = 64;
constexpr std::size_t run_bytes_max = 65'000;

// Builds the ancillary data of one sendmsg call.
class ControlWriter {
 public:
  explicit ControlWriter(msghdr& message) : message_(message) {
    message_.msg_control = bytes_.data();
    message_.msg_controllen = 0;  // a length of zero makes the kernel ignore the pointer
  }
  ControlWriter(const ControlWriter&) = delete;
  ControlWriter& operator=(const ControlWriter&) = delete;

  template <class T>
  void add(int level, int type, const T& value) {
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(sizeof(T));
    header.cmsg_level = level;
    header.cmsg_type = type;
    char* const at = bytes_.data() + message_.msg_controllen;
    std::memcpy(at, &header, sizeof(header));
    std::memcpy(at + CMSG_LEN(0), &value, sizeof(value));
    message_.msg_controllen += CMSG_SPACE(sizeof(T));
  }

 private:
  msghdr& message_;
  alignas(cmsghdr) std::array<char, 128> bytes_{};
};

void add_source(ControlWriter& control, const IpAddress& source) {
  if (source.is_unspecified()) return;
  if (source.is_v4()) {
    in_pktinfo info{};
    info.ipi_spec_dst = to_in_addr(source);
    control.add(IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    info.ipi6_addr = to_in6_addr(source);
    control.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

// Anything else (no such source address, no route, above the MTU) costs this one datagram, as the
// network might.
bool is_full(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

// What segmentation adds to the ways in which a call can fail: no checksum offload on the way
// out (EIO), an old kernel or one without the option, segments above the MTU (EINVAL).
bool may_blame_segmentation(int error) {
  return error == EIO || error == EINVAL || error == EMSGSIZE || error == ENOPROTOOPT ||
         error == EOPNOTSUPP;
}

}  // namespace

std::size_t run_length(std::span<const Transmit> batch) {
  const Transmit& first = batch.front();
  const std::size_t step = first.bytes.size();
  if (step == 0) return 1;
  std::size_t bytes = step;
  std::size_t count = 1;
  while (count < std::min(batch.size(), run_datagrams_max)) {
    const Transmit& next = batch[count];
    const std::size_t size = next.bytes.size();
    if (size == 0 || size > step || bytes + size > run_bytes_max) break;
    if (next.remote != first.remote || next.local != first.local) break;
    bytes += size;
    ++count;
    if (size < step) break;  // only the last of a run may be shorter
  }
  return count;
}

void UdpSender::send(std::span<const Transmit> batch, UdpSocket::Stats& stats) {
  if (is_waiting()) return enqueue(batch, stats);
  const std::size_t done = hand_over(batch, stats);
  if (done < batch.size()) enqueue(batch.subspan(done), stats);
}

void UdpSender::flush(UdpSocket::Stats& stats) {
  const auto waiting = std::span<const Transmit>(queue_).subspan(taken_);
  const std::size_t done = hand_over(waiting, stats);
  for (const Transmit& transmit : waiting.first(done)) queued_bytes_ -= transmit.bytes.size();
  taken_ += done;
  if (is_waiting()) return;
  queue_.clear();
  taken_ = 0;
}

void UdpSender::enqueue(std::span<const Transmit> batch, UdpSocket::Stats& stats) {
  if (taken_ > queue_datagrams_max) {  // keeps the part already sent from piling up
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }
  for (const Transmit& transmit : batch) {
    if (queue_.size() - taken_ >= queue_datagrams_max ||
        queued_bytes_ + transmit.bytes.size() > queue_bytes_max) {
      ++stats.send_dropped;
      continue;
    }
    queued_bytes_ += transmit.bytes.size();
    queue_.push_back(transmit);
  }
}

// How many datagrams are done with: sent, or refused for good.
std::size_t UdpSender::hand_over(std::span<const Transmit> batch, UdpSocket::Stats& stats) {
  std::size_t done = 0;
  std::size_t singles_left = 0;  // of a run that failed as a whole
  bool single_sent = false;
  while (done < batch.size()) {
    const bool alone = !segmentation_ || singles_left > 0;
    const auto rest = batch.subspan(done);
    const auto run = rest.first(alone ? 1 : run_length(rest));
    const int error = send_run(run, stats);
    if (is_full(error)) return done;
    if (run.size() > 1 && may_blame_segmentation(error)) {
      singles_left = run.size();
      single_sent = false;
      continue;
    }
    (error == 0 ? stats.sent : stats.send_dropped) += run.size();
    done += run.size();
    if (singles_left == 0) continue;
    single_sent |= error == 0;
    // What failed together left one by one: segmentation does not work here, so stop trying.
    if (--singles_left == 0 && single_sent) segmentation_ = false;
  }
  return done;
}

// Zero or the errno.
int UdpSender::send_run(std::span<const Transmit> run, UdpSocket::Stats& stats) const {
  std::array<iovec, run_datagrams_max> vectors;
  for (std::size_t i = 0; i < run.size(); ++i) {
    // sendmsg only reads; iovec serves both directions and cannot say so.
    auto* bytes = const_cast<std::uint8_t*>(run[i].bytes.data());
    vectors[i] = {.iov_base = bytes, .iov_len = run[i].bytes.size()};
  }
  SocketAddress remote(run.front().remote);
  msghdr message{};
  message.msg_name = remote.data();
  message.msg_namelen = remote.size;
  message.msg_iov = vectors.data();
  message.msg_iovlen = run.size();
  ControlWriter control(message);
  add_source(control, run.front().local.ip);
  if (run.size() > 1)
    control.add(SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(run.front().bytes.size()));

  ssize_t sent = 0;
  do {
    ++stats.send_calls;
    sent = system_call_(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    // ECONNREFUSED reports an earlier datagram; this one has not been tried.
  } while (sent < 0 && (errno == EINTR || errno == ECONNREFUSED));
  return sent < 0 ? errno : 0;
}

}  // namespace chatixia::net
