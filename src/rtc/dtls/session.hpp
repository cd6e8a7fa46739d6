#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "crypto/certificate.hpp"

namespace chatixia::rtc::dtls {

enum class Role { client, server };

// One DTLS 1.2 session over memory buffers: ECDSA certificates, AEAD suites only, both sides
// authenticate by the fingerprint that signaling carried (RFC 8827, section 6.5). The caller
// moves datagrams and drives retransmission.
class Session {
 public:
  struct Options {
    Role role = Role::client;
    // The largest datagram to produce, in bytes of UDP payload.
    std::size_t datagram_bytes_max = 1200;
    // The first retransmission of a flight; doubles each time up to `retransmit_max`.
    Duration retransmit_after = std::chrono::milliseconds(50);
    Duration retransmit_max = std::chrono::seconds(2);
    // The handshake is given up after this long.
    Duration handshake_timeout = std::chrono::seconds(20);
  };

  struct Connected {};
  struct Closed {};  // close_notify from the peer
  struct Failed {
    std::string reason;
  };  // alert, wrong fingerprint, time-out
  using Event = std::variant<Connected, Closed, Failed>;

  // `expected` is compared inside OpenSSL's verify callback; a mismatch ends the handshake with
  // a bad_certificate alert. The certificate must outlive the session.
  Session(Options options, const crypto::Certificate& certificate, crypto::Fingerprint expected,
          Instant now);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  void handle_datagram(Instant now, Bytes datagram);
  void handle_timeout(Instant now);
  Instant next_timeout() const;

  // Seals one packet into exactly one datagram, which the next poll_transmit() yields.
  // Dropped, as UDP may, unless connected, and if it is larger than datagram_bytes_max.
  void send(Bytes packet);
  std::optional<Buffer> poll_transmit();
  // The next decrypted packet, in order of arrival.
  std::optional<Buffer> poll_packet();
  std::optional<Event> poll_event();

  // Sends close_notify once; nothing is received afterwards.
  void close();
  bool is_connected() const;
  // Bytes that a record adds to a packet.
  std::size_t overhead_bytes() const;
  // "TLS_..." of the negotiated suite; empty before that.
  std::string cipher() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace chatixia::rtc::dtls
