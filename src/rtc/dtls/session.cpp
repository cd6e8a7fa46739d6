#include "rtc/dtls/session.hpp"

#include <algorithm>
#include <deque>
#include <new>
#include <utility>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <sys/time.h>

#include "base/assert.hpp"
#include "crypto/digest.hpp"
#include "rtc/dtls/context.hpp"
#include "rtc/dtls/datagram_bio.hpp"

namespace chatixia::rtc::dtls {

namespace {

// RFC 6347, section 4.1: 2^14 bytes of plaintext in a record at most.
constexpr std::size_t record_bytes_max = 16 * 1024;

// Decrypted packets that wait for poll_packet().
constexpr std::size_t packets_max = 1024;

// OpenSSL ends the handshake itself at the thirteenth retransmission; the last ones are skipped so
// that handshake_timeout decides.
constexpr int retransmissions_max = 12;

// RFC 6347, section 4.1, and RFC 5288, section 3: header, explicit nonce, tag.
constexpr std::size_t aes_gcm_overhead = 13 + 8 + 16;
// RFC 7905, section 2: the nonce is implicit.
constexpr std::size_t chacha20_overhead = 13 + 16;

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

enum class Phase { handshaking, connected, closed };

std::string describe_failure() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const int reason = ERR_GET_REASON(error);
  if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
    return std::string("the peer ended the DTLS session: ") +
           SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET);
  const char* text = ERR_reason_error_string(error);
  return std::string("the DTLS session failed: ") + (text != nullptr ? text : "unknown reason");
}

}  // namespace

struct Session::State {
  State(Options opts, const crypto::Certificate& certificate, crypto::Fingerprint fingerprint,
        Instant now);

  void handshake();
  void read_packets(std::size_t packet_bytes_max);
  void arm(Instant now);
  void fail(std::string reason);
  bool wants_more() const { return SSL_want_read(ssl.get()) != 0; }

  static bool verify(SSL* ssl, X509* leaf);
  static unsigned int retransmit_delay_us(SSL* ssl, unsigned int previous_us);

  Options options;
  crypto::Fingerprint expected;
  bool fingerprint_differs = false;
  int retransmissions = 0;
  Phase phase = Phase::handshaking;
  Instant give_up_at;
  Instant deadline = never;
  std::deque<Buffer> packets;
  std::deque<Event> events;
  DatagramBio network;
  std::shared_ptr<SSL_CTX> context;
  std::unique_ptr<SSL, FreeSsl> ssl;
};

Session::State::State(Options opts, const crypto::Certificate& certificate,
                      crypto::Fingerprint fingerprint, Instant now)
    : options(opts),
      expected(fingerprint),
      give_up_at(now + opts.handshake_timeout),
      network(opts.datagram_bytes_max),
      context(shared_context(certificate, &State::verify)),
      ssl(SSL_new(context.get())) {
  if (!ssl) throw std::bad_alloc();
  BIO* bio = network.make_bio().release();
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_app_data(ssl.get(), this);
  SSL_set_mtu(ssl.get(), static_cast<long>(options.datagram_bytes_max));
  // OpenSSL allocates its write buffer for the largest record; by default that is 16 KiB.
  SSL_set_max_send_fragment(ssl.get(),
                            std::clamp<long>(static_cast<long>(options.datagram_bytes_max), 512,
                                             static_cast<long>(record_bytes_max)));
  DTLS_set_timer_cb(ssl.get(), &State::retransmit_delay_us);
  if (options.role == Role::client)
    SSL_set_connect_state(ssl.get());
  else
    SSL_set_accept_state(ssl.get());
  handshake();
  arm(now);
}

bool Session::State::verify(SSL* ssl, X509* leaf) {
  auto& self = *static_cast<State*>(SSL_get_app_data(ssl));
  crypto::Fingerprint actual;
  unsigned int size = 0;
  const bool hashed = X509_digest(leaf, EVP_sha256(), actual.sha256.data(), &size) == 1;
  const bool equal = hashed && crypto::equal_in_constant_time(actual.sha256, self.expected.sha256);
  self.fingerprint_differs = !equal;
  return equal;
}

// OpenSSL starts each flight with `previous_us` zero.
unsigned int Session::State::retransmit_delay_us(SSL* ssl, unsigned int previous_us) {
  auto& self = *static_cast<State*>(SSL_get_app_data(ssl));
  const auto us = [](Duration duration) {
    return static_cast<unsigned int>(
        std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
  };
  if (previous_us == 0) {
    self.retransmissions = 0;
    return us(self.options.retransmit_after);
  }
  ++self.retransmissions;
  return std::min(previous_us * 2, us(self.options.retransmit_max));
}

void Session::State::handshake() {
  // An alert during the handshake looks like a wish to read, except for what it leaves in the
  // thread's error queue.
  ERR_clear_error();
  if (SSL_do_handshake(ssl.get()) == 1) {
    phase = Phase::connected;
    events.push_back(Connected{});
  } else if (!wants_more() || ERR_peek_error() != 0) {
    fail(fingerprint_differs
             ? "the peer's certificate does not match the fingerprint in its description"
             : describe_failure());
  }
}

void Session::State::read_packets(std::size_t packet_bytes_max) {
  do {
    Buffer packet(packet_bytes_max);
    std::size_t size = 0;
    if (SSL_read_ex(ssl.get(), packet.data(), packet.size(), &size) == 1) {
      packet.resize(size);
      if (packets.size() < packets_max) packets.push_back(std::move(packet));
      continue;
    }
    if (wants_more()) return;
    if ((SSL_get_shutdown(ssl.get()) & SSL_RECEIVED_SHUTDOWN) != 0 && ERR_peek_error() == 0) {
      phase = Phase::closed;
      events.push_back(Closed{});
      return;
    }
    fail(describe_failure());
    return;
  } while (network.has_unread() || SSL_has_pending(ssl.get()) == 1);
}

void Session::State::arm(Instant now) {
  deadline = never;
  if (phase != Phase::handshaking) return;
  deadline = give_up_at;
  timeval left{};
  if (retransmissions >= retransmissions_max || DTLSv1_get_timeout(ssl.get(), &left) != 1) return;
  const Instant retransmit_at =
      now + std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
  deadline = std::min(deadline, retransmit_at);
}

void Session::State::fail(std::string reason) {
  ERR_clear_error();
  phase = Phase::closed;
  events.push_back(Failed{std::move(reason)});
}

Session::Session(Options options, const crypto::Certificate& certificate,
                 crypto::Fingerprint expected, Instant now)
    : state_(std::make_unique<State>(options, certificate, expected, now)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

void Session::handle_datagram(Instant now, Bytes datagram) {
  State& self = *state_;
  if (self.phase == Phase::closed || datagram.empty()) return;
  self.network.offer(datagram);
  if (self.phase == Phase::handshaking) {
    self.handshake();
    // What came for the next epoch before the handshake ended waits inside OpenSSL.
    if (self.phase == Phase::connected) self.read_packets(record_bytes_max);
    self.arm(now);
  } else {
    self.read_packets(datagram.size());
  }
  self.network.drop_unread();
}

void Session::handle_timeout(Instant now) {
  State& self = *state_;
  if (self.phase != Phase::handshaking || now < self.deadline) return;
  if (now >= self.give_up_at) {
    self.fail("the DTLS handshake timed out");
  } else if (DTLSv1_handle_timeout(self.ssl.get()) < 0) {
    self.fail(describe_failure());
  }
  self.arm(now);
}

Instant Session::next_timeout() const {
  return state_->deadline;
}

void Session::send(Bytes packet) {
  State& self = *state_;
  if (self.phase != Phase::connected || packet.empty() ||
      packet.size() > self.options.datagram_bytes_max)
    return;
  std::size_t written = 0;
  if (SSL_write_ex(self.ssl.get(), packet.data(), packet.size(), &written) != 1) ERR_clear_error();
}

std::optional<Buffer> Session::poll_transmit() {
  return state_->network.poll_transmit();
}

std::optional<Buffer> Session::poll_packet() {
  if (state_->packets.empty()) return std::nullopt;
  Buffer packet = std::move(state_->packets.front());
  state_->packets.pop_front();
  return packet;
}

std::optional<Session::Event> Session::poll_event() {
  if (state_->events.empty()) return std::nullopt;
  Event event = std::move(state_->events.front());
  state_->events.pop_front();
  return event;
}

void Session::close() {
  State& self = *state_;
  if (self.phase == Phase::connected && SSL_shutdown(self.ssl.get()) < 0) ERR_clear_error();
  self.phase = Phase::closed;
  self.deadline = never;
  self.packets.clear();
  self.events.clear();
}

bool Session::is_connected() const {
  return state_->phase == Phase::connected;
}

std::size_t Session::overhead_bytes() const {
  return cipher().find("CHACHA20") == std::string::npos ? aes_gcm_overhead : chacha20_overhead;
}

std::string Session::cipher() const {
  const SSL_CIPHER* current = is_connected() ? SSL_get_current_cipher(state_->ssl.get()) : nullptr;
  const char* name = current != nullptr ? SSL_CIPHER_standard_name(current) : nullptr;
  return name != nullptr ? name : "";
}

}  // namespace chatixia::rtc::dtls
