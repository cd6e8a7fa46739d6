#include "interop/peer_driver.hpp"

#include <span>

namespace chatixia::interop {

using rtc::peer::PeerConnection;

Result<std::unique_ptr<PeerDriver>> PeerDriver::make(net::Loop& loop, RandomSource& random,
                                                     PeerConnection::Options options,
                                                     const IpAddress& address,
                                                     EventHandler handler) {
  auto socket = net::UdpSocket::bind(loop, {address, 0}, {});
  if (!socket) return std::unexpected(socket.error());
  return std::unique_ptr<PeerDriver>(
      new PeerDriver(loop, random, options, std::move(*socket), std::move(handler)));
}

PeerDriver::PeerDriver(net::Loop& loop, RandomSource& random, PeerConnection::Options options,
                       std::unique_ptr<net::UdpSocket> socket, EventHandler handler)
    : socket_(std::move(socket)),
      connection_(options, random, net::now()),
      handler_(std::move(handler)),
      timer_(loop, [this] {
        act([](PeerConnection& connection, Instant now) { connection.handle_timeout(now); });
      }) {
  socket_->on_datagrams([this](std::span<const Datagram> datagrams) {
    act([&](PeerConnection& connection, Instant now) {
      for (const Datagram& datagram : datagrams) connection.handle_datagram(now, datagram);
    });
  });
  drain();
}

rtc::ice::Candidate PeerDriver::candidate() const {
  rtc::ice::Candidate candidate;
  candidate.foundation = "1";
  candidate.priority = rtc::ice::candidate_priority(rtc::ice::CandidateType::host, 65535);
  candidate.address = socket_->local();
  candidate.base = socket_->local();
  return candidate;
}

// Events first: what a handler answers leaves in the same batch as what the input caused.
void PeerDriver::drain() {
  drain_again_ = true;
  if (draining_) return;
  draining_ = true;
  while (std::exchange(drain_again_, false)) {
    while (const auto event = connection_.poll_event()) handler_(*event);
    while (auto transmit = connection_.poll_transmit()) batch_.push_back(std::move(*transmit));
    if (!batch_.empty()) socket_->send(batch_);
    batch_.clear();
  }
  draining_ = false;
  timer_.expires_at(connection_.next_timeout());
}

}  // namespace chatixia::interop
