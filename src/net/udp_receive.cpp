#include "net/udp_receive.hpp"

#include <cerrno>
#include <cstring>

#include <netinet/udp.h>

namespace chatixia::net {
namespace {

template <class T>
T control_value(const cmsghdr& header) {
  T value;
  std::memcpy(&value, CMSG_DATA(&header), sizeof(value));
  return value;
}

// What the kernel says beside the bytes.
struct Ancillary {
  IpAddress local;
  std::size_t segment_bytes = 0;  // zero: one datagram
};

Ancillary read_ancillary(msghdr& message, const IpAddress& bound) {
  Ancillary out{.local = bound};
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO)
      out.local = to_ip(control_value<in_pktinfo>(*header).ipi_addr);
    else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO)
      out.local = to_ip(control_value<in6_pktinfo>(*header).ipi6_addr);
    else if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO)
      out.segment_bytes = static_cast<std::size_t>(control_value<int>(*header));
  }
  return out;
}

}  // namespace

UdpReceiver::UdpReceiver(const Endpoint& local)
    : local_(local), bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(slots * slot_bytes)) {
  for (std::size_t i = 0; i < slots; ++i) {
    vectors_[i] = {.iov_base = bytes_.get() + i * slot_bytes, .iov_len = slot_bytes};
    msghdr& header = messages_[i].msg_hdr;
    header.msg_name = remotes_[i].data();
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_control = controls_[i].bytes.data();
  }
}

std::span<const Datagram> UdpReceiver::receive(int fd, UdpSocket::Stats& stats) {
  batch_.clear();
  for (mmsghdr& message : messages_) {  // the kernel overwrote these with what it used
    message.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
    message.msg_hdr.msg_controllen = sizeof(Control);
  }
  int count = 0;
  do {
    count = ::recvmmsg(fd, messages_.data(), slots, MSG_DONTWAIT, nullptr);
    // ECONNREFUSED and friends report an ICMP message about one peer; the socket is well.
  } while (count < 0 && (errno == EINTR || errno == ECONNREFUSED));
  drained_ = count < static_cast<int>(slots);
  if (count <= 0) return {};

  ++stats.receive_calls;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) cut(i, messages_[i].msg_len);
  stats.received += batch_.size();
  return batch_;
}

void UdpReceiver::cut(std::size_t slot, std::size_t size) {
  msghdr& message = messages_[slot].msg_hdr;
  if ((message.msg_flags & MSG_TRUNC) != 0) return;
  const Ancillary ancillary = read_ancillary(message, local_.ip);
  const Endpoint local{ancillary.local, local_.port};
  const Endpoint remote = remotes_[slot].endpoint();
  const Bytes all(bytes_.get() + slot * slot_bytes, size);

  const std::size_t step = ancillary.segment_bytes == 0 ? size : ancillary.segment_bytes;
  if (step == 0) {
    batch_.push_back({local, remote, {}});
    return;
  }
  for (std::size_t at = 0; at < size; at += step)
    batch_.push_back({local, remote, all.subspan(at, std::min(step, size - at))});
}

}  // namespace chatixia::net
