#include "rtc/sctp/usrsctp_socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include <arpa/inet.h>
#include <usrsctp.h>

#include "base/assert.hpp"

namespace chatixia::rtc::sctp {

namespace {

// usrsctp's public header leaves these out: total bytes queued, from netinet/sctp_uio.h.
constexpr int get_send_buffer_use = 0x1101;
struct BufferUse {
  sctp_assoc_t association;
  std::uint32_t send_bytes;
  std::uint32_t receive_bytes;
};

// Larger buffers inside usrsctp are slower: they no longer fit the processor's cache. What does
// not fit waits in our own queue.
constexpr std::size_t send_buffer_bytes = 1024 * 1024;

// RFC 9260, section 3.1. usrsctp counts the path MTU without it.
constexpr std::size_t common_header_bytes = 12;

sockaddr_conn address_of(std::uintptr_t address, std::uint16_t port) {
  sockaddr_conn result{};
  result.sconn_family = AF_CONN;
  result.sconn_port = htons(port);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): usrsctp's address is a number of ours
  result.sconn_addr = reinterpret_cast<void*>(address);
  return result;
}

}  // namespace

UsrsctpHandle::UsrsctpHandle(std::uintptr_t address, const Association::Options& options)
    : address_(address),
      socket_(usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr)) {
  expects(socket_ != nullptr);
  Engine::watch(socket_, address_);
  expects(usrsctp_set_non_blocking(socket_, 1) == 0);
  subscribe();
  set_buffers(options);
  set_streams(options.streams);
  set_bundling(false);
  set_packet_bytes_max(options.packet_bytes_max);
}

UsrsctpHandle::~UsrsctpHandle() {
  if (socket_ != nullptr) abort();
}

void UsrsctpHandle::set_option(int name, const void* value, std::size_t size) {
  expects(usrsctp_setsockopt(socket_, IPPROTO_SCTP, name, value, static_cast<socklen_t>(size)) ==
          0);
}

void UsrsctpHandle::subscribe() {
  for (const std::uint16_t type : {SCTP_ASSOC_CHANGE, SCTP_SHUTDOWN_EVENT, SCTP_STREAM_RESET_EVENT,
                                   SCTP_PARTIAL_DELIVERY_EVENT})
    set_option(SCTP_EVENT, sctp_event{.se_assoc_id = SCTP_ALL_ASSOC, .se_type = type, .se_on = 1});
  set_option(SCTP_RECVRCVINFO, int{1});
}

void UsrsctpHandle::set_buffers(const Association::Options& options) {
  const int send_bytes =
      static_cast<int>(std::max(send_buffer_bytes, 2 * options.message_bytes_max));
  const int receive_bytes = static_cast<int>(options.receive_window_bytes);
  expects(usrsctp_setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes) == 0);
  expects(usrsctp_setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
                             sizeof receive_bytes) == 0);
  // Closing means ABORT, at once: RFC 6458, section 8.1.4.
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  expects(usrsctp_setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
}

void UsrsctpHandle::set_streams(std::uint16_t streams) {
  set_option(SCTP_INITMSG,
             sctp_initmsg{.sinit_num_ostreams = streams, .sinit_max_instreams = streams});
  set_option(
      SCTP_ENABLE_STREAM_RESET,
      sctp_assoc_value{.assoc_id = SCTP_ALL_ASSOC, .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ});
}

bool UsrsctpHandle::connect(std::uint16_t local_port, std::uint16_t remote_port) {
  auto local = address_of(address_, local_port);
  auto remote = address_of(address_, remote_port);
  if (usrsctp_bind(socket_, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0) return false;
  return usrsctp_connect(socket_, reinterpret_cast<sockaddr*>(&remote), sizeof remote) == 0 ||
         errno == EINPROGRESS;
}

SendOutcome UsrsctpHandle::send(StreamId stream, std::uint32_t ppid, Bytes bytes,
                                const SendOptions& options) {
  sctp_sendv_spa how{};
  how.sendv_flags = SCTP_SEND_SNDINFO_VALID;
  how.sendv_sndinfo.snd_sid = stream;
  how.sendv_sndinfo.snd_ppid = htonl(ppid);
  if (options.unordered) how.sendv_sndinfo.snd_flags = SCTP_UNORDERED;
  if (options.retransmissions_max) {
    how.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    how.sendv_prinfo = {.pr_policy = SCTP_PR_SCTP_RTX, .pr_value = *options.retransmissions_max};
  } else if (options.lifetime_max) {
    how.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    how.sendv_prinfo = {.pr_policy = SCTP_PR_SCTP_TTL,
                        .pr_value = static_cast<std::uint32_t>(options.lifetime_max->count())};
  }
  const ssize_t sent = usrsctp_sendv(socket_, bytes.data(), bytes.size(), nullptr, 0, &how,
                                     sizeof how, SCTP_SENDV_SPA, 0);
  if (sent == static_cast<ssize_t>(bytes.size())) return SendOutcome::taken;
  // Without explicit EOR a message is taken whole or not at all; a stream that is being reset
  // takes none for a while (RFC 6525, section 5.1.2).
  return sent < 0 && (errno == EWOULDBLOCK || errno == EAGAIN) ? SendOutcome::no_room
                                                               : SendOutcome::gone;
}

void UsrsctpHandle::set_bundling(bool on) {
  set_option(SCTP_NODELAY, int{on ? 0 : 1});
}

void UsrsctpHandle::reset_streams(std::span<const StreamId> streams) {
  // A header with a flexible array behind it.
  std::vector<std::uint16_t> words(sizeof(sctp_reset_streams) / sizeof(std::uint16_t) +
                                   streams.size());
  auto* request = reinterpret_cast<sctp_reset_streams*>(words.data());
  request->srs_flags = SCTP_STREAM_RESET_OUTGOING;
  request->srs_number_streams = static_cast<std::uint16_t>(streams.size());
  std::copy(streams.begin(), streams.end(), request->srs_stream_list);
  // usrsctp refuses when the association is going or the peer cannot reset: nothing to be done.
  usrsctp_setsockopt(socket_, IPPROTO_SCTP, SCTP_RESET_STREAMS, request,
                     static_cast<socklen_t>(words.size() * sizeof(std::uint16_t)));
}

void UsrsctpHandle::shutdown() {
  usrsctp_shutdown(socket_, SHUT_WR);
}

void UsrsctpHandle::abort() {
  usrsctp_close(socket_);
  socket_ = nullptr;
}

void UsrsctpHandle::set_packet_bytes_max(std::size_t bytes) {
  sctp_paddrparams parameters{};
  parameters.spp_address.ss_family = AF_CONN;  // any address: there is one
  parameters.spp_pathmtu = static_cast<std::uint32_t>(bytes - common_header_bytes) & ~3u;
  // ICE keeps the path alive and finds its MTU; heartbeats would only cost wake-ups.
  parameters.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_DISABLE;
  set_option(SCTP_PEER_ADDR_PARAMS, parameters);
}

std::optional<ReceivedInfo> UsrsctpHandle::receive(std::span<std::uint8_t> out) {
  sctp_rcvinfo info{};
  socklen_t info_size = sizeof info;
  unsigned int info_type = 0;
  sockaddr_conn from{};
  socklen_t from_size = sizeof from;
  int flags = 0;
  const ssize_t size =
      usrsctp_recvv(socket_, out.data(), out.size(), reinterpret_cast<sockaddr*>(&from), &from_size,
                    &info, &info_size, &info_type, &flags);
  if (size <= 0) return std::nullopt;
  return ReceivedInfo{.stream = info.rcv_sid,
                      .ppid = ntohl(info.rcv_ppid),
                      .notification = (flags & MSG_NOTIFICATION) != 0,
                      .complete = (flags & MSG_EOR) != 0,
                      .size = static_cast<std::size_t>(size)};
}

std::size_t UsrsctpHandle::buffered_bytes() const {
  if (socket_ == nullptr) return 0;
  BufferUse use{};
  socklen_t size = sizeof use;
  if (usrsctp_getsockopt(socket_, IPPROTO_SCTP, get_send_buffer_use, &use, &size) != 0) return 0;
  return use.send_bytes;
}

}  // namespace chatixia::rtc::sctp
