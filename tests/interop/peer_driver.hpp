#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "net/loop.hpp"
#include "net/udp_socket.hpp"
#include "rtc/peer/peer_connection.hpp"

namespace chatixia::interop {

// Joins one PeerConnection to a UDP socket and a timer of its own: the shortest way to put the
// rtc stack on a network, without a mesh around it.
class PeerDriver {
 public:
  using EventHandler = std::function<void(const rtc::peer::PeerConnection::Event&)>;

  // Binds to a free port of `address`, which is what candidate() names.
  static Result<std::unique_ptr<PeerDriver>> make(net::Loop& loop, RandomSource& random,
                                                  rtc::peer::PeerConnection::Options options,
                                                  const IpAddress& address, EventHandler handler);

  // Gives one input, `input(connection, now)`, and then sends and reports all that it led to.
  // May be called from the event handler; must not destroy the driver there.
  template <class Input>
  decltype(auto) act(Input&& input) {
    struct Drain {
      PeerDriver& driver;
      ~Drain() { driver.drain(); }
    } drain{*this};
    return std::forward<Input>(input)(connection_, net::now());
  }

  const rtc::peer::PeerConnection& connection() const { return connection_; }
  rtc::ice::Candidate candidate() const;
  const net::UdpSocket& socket() const { return *socket_; }

 private:
  PeerDriver(net::Loop& loop, RandomSource& random, rtc::peer::PeerConnection::Options options,
             std::unique_ptr<net::UdpSocket> socket, EventHandler handler);
  void drain();

  std::unique_ptr<net::UdpSocket> socket_;
  rtc::peer::PeerConnection connection_;
  EventHandler handler_;
  net::Timer timer_;
  std::vector<Transmit> batch_;
  bool draining_ = false;
  bool drain_again_ = false;
};

}  // namespace chatixia::interop
