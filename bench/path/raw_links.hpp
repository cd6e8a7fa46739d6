#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "crypto/certificate.hpp"
#include "interop/peer_driver.hpp"
#include "net/line_socket.hpp"
#include "net/loop.hpp"
#include "protocol/signaling.hpp"

namespace chatixia::bench {

// What the first byte of a message asks of the process that receives it.
enum class Tag : std::uint8_t { ping = 'p', data = 'd', begin = 'b', end = 'e' };

// A message of `size` bytes with its tag in front.
Buffer tagged(Tag tag, std::size_t size);

// One process of the two: numbered connections to the other one, signalled over a Unix socket, one
// channel each. What the two tell each other besides uses the same socket.
class RawLinks {
 public:
  using Connection = rtc::peer::PeerConnection;
  struct Handlers {
    std::function<void(int number, rtc::peer::ChannelId channel)> on_open;
    std::function<void(int number, Bytes message)> on_message;
    std::function<void(int number)> on_writable;
    std::function<void(int number)> on_closed;
    std::function<void(int number, std::string_view type, std::string_view payload)> on_told;
  };

  RawLinks(net::Loop& loop, const IpAddress& address, std::shared_ptr<net::LineConnection> other);

  void start(Handlers handlers);
  void call(int number);
  // False when the send buffer is full: on_writable follows.
  bool send(int number, Bytes message);
  // Sends what `source` offers until it offers nothing or the buffer is full, as one input.
  class Source {
   public:
    virtual ~Source() = default;
    virtual Bytes peek() = 0;
    virtual void pop() = 0;
  };
  void send_from(int number, Source& source);
  void close(int number);
  void tell(int number, std::string_view type, std::string payload);

 private:
  struct Link {
    std::unique_ptr<interop::PeerDriver> driver;
    rtc::peer::ChannelId channel = 0;
  };

  Link* find(int number);
  Link& make(int number);
  void trickle(int number, Link& link);
  void handle_line(std::string_view line);
  void handle_signal(int number, const protocol::signaling::Envelope& envelope);
  void handle_event(int number, const Connection::Event& event);

  net::Loop& loop_;
  const IpAddress address_;
  std::unique_ptr<RandomSource> random_;
  crypto::Certificate certificate_;
  std::shared_ptr<net::LineConnection> other_;
  Handlers handlers_;
  std::map<int, Link> links_;
};

}  // namespace chatixia::bench
