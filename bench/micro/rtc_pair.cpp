// Two peer connections in one thread, joined by function calls: what the stack alone costs,
// without sockets. Rates are per second of processor time, so that a busy machine spoils them less.

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string_view>

#include <fmt/format.h>

#include "crypto/random.hpp"
#include "rtc/peer/peer_connection.hpp"

namespace {

using namespace chatixia;
using namespace std::chrono_literals;
using rtc::peer::MessageKind;
using rtc::peer::PeerConnection;

Instant clock_now() {
  return std::chrono::steady_clock::now();
}

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

struct End {
  PeerConnection connection;
  std::size_t open_channels = 0;
  std::size_t messages = 0;
};

class Pair {
 public:
  explicit Pair(std::size_t datagram_bytes_max)
      : certificate_(*crypto::Certificate::make(std::chrono::system_clock::now(), 24h)),
        a_{make(datagram_bytes_max)},
        b_{make(datagram_bytes_max)} {
    const Instant now = clock_now();
    add_host(a_, now, "192.0.2.1:1000");
    add_host(b_, now, "192.0.2.2:2000");
    (void)a_.connection.open_channel(now, {.label = "bench"});
    const auto answer = b_.connection.accept_offer(now, a_.connection.create_offer(now));
    (void)a_.connection.set_answer(now, *answer);
    while (a_.open_channels == 0 || b_.open_channels == 0) turn();
  }

  // Carries everything that is ready, once each way.
  void turn() {
    const Instant now = clock_now();
    for (End* end : {&a_, &b_})
      if (end->connection.next_timeout() <= now) end->connection.handle_timeout(now);
    carry(a_, b_, now);
    carry(b_, a_, now);
  }

  bool send(End& from, Bytes message) {
    return from.connection.send(clock_now(), 1, MessageKind::binary, message).has_value();
  }

  End& a() { return a_; }
  End& b() { return b_; }

 private:
  PeerConnection make(std::size_t datagram_bytes_max) {
    PeerConnection::Options options;
    options.certificate = &certificate_;
    options.datagram_bytes_max = datagram_bytes_max;
    return PeerConnection(options, random_, clock_now());
  }

  static void add_host(End& end, Instant now, std::string_view text) {
    rtc::ice::Candidate candidate;
    candidate.foundation = "1";
    candidate.address = candidate.base = *Endpoint::parse(text);
    candidate.priority = rtc::ice::candidate_priority(candidate.type, 65535);
    end.connection.add_local_candidate(now, candidate);
  }

  static void carry(End& from, End& to, Instant now) {
    while (auto transmit = from.connection.poll_transmit()) {
      to.connection.handle_datagram(now, {transmit->remote, transmit->local, transmit->bytes});
      collect(to);
    }
    collect(from);
  }

  static void collect(End& end) {
    while (auto event = end.connection.poll_event()) {
      end.messages += std::holds_alternative<PeerConnection::MessageReceived>(*event);
      end.open_channels += std::holds_alternative<PeerConnection::ChannelOpened>(*event);
    }
  }

  crypto::SystemRandom random_;
  crypto::Certificate certificate_;
  End a_;
  End b_;
};

struct Rate {
  double messages_per_second = 0;
  double bytes_per_second = 0;
};

// One direction, as fast as it goes; a batch is what one turn of a loop would queue.
Rate measure_bulk(Pair& pair, std::size_t message_bytes, std::size_t batch, Duration duration) {
  const Buffer message(message_bytes, 0x5A);
  const std::size_t before = pair.b().messages;
  const double began = cpu_seconds();
  const double seconds_max = to_ms(duration) / 1000;
  while (cpu_seconds() - began < seconds_max) {
    for (std::size_t i = 0; i < batch && pair.send(pair.a(), message); ++i) {
    }
    pair.turn();
  }
  const double seconds = cpu_seconds() - began;
  const auto messages = static_cast<double>(pair.b().messages - before);
  return {messages / seconds, messages * static_cast<double>(message_bytes) / seconds};
}

double measure_ping_us(Pair& pair, std::size_t message_bytes, int rounds) {
  const Buffer message(message_bytes, 0x5A);
  const double began = cpu_seconds();
  for (int i = 0; i < rounds; ++i) {
    for (End* from : {&pair.a(), &pair.b()}) {
      End& to = from == &pair.a() ? pair.b() : pair.a();
      const std::size_t before = to.messages;
      pair.send(*from, message);
      while (to.messages == before) pair.turn();
    }
  }
  return (cpu_seconds() - began) * 1e6 / rounds;
}

double measure_setup_ms(int rounds) {
  const double began = cpu_seconds();
  for (int i = 0; i < rounds; ++i) Pair(1200);
  return (cpu_seconds() - began) * 1e3 / rounds;
}

}  // namespace

int main(int count, char** arguments) {
  const Duration duration =
      std::chrono::milliseconds(count > 1 ? std::strtol(arguments[1], nullptr, 10) : 2000);
  for (const std::size_t datagram_bytes : {1200u, 1472u, 8900u}) {
    Pair pair(datagram_bytes);
    const Rate bulk = measure_bulk(pair, 64 * 1024, 16, duration);
    fmt::print("64 KiB messages, {} B datagrams: {:.1f} MB/s\n", datagram_bytes,
               bulk.bytes_per_second / 1e6);
  }
  for (const std::size_t batch : {1u, 16u, 256u}) {
    Pair pair(1200);
    const Rate small = measure_bulk(pair, 256, batch, duration);
    fmt::print("256 B messages, {} a turn: {:.0f} K messages/s\n", batch,
               small.messages_per_second / 1e3);
  }
  Pair pair(1200);
  fmt::print("ping-pong of 256 B: {:.1f} us\n", measure_ping_us(pair, 256, 50'000));
  fmt::print("set-up to an open channel: {:.2f} ms\n", measure_setup_ms(20));
}
