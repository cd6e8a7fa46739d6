// What one packet of 1200 bytes costs in each layer that touches all of its bytes.
#include <chrono>
#include <cstdlib>

#include <benchmark/benchmark.h>

#include "base/bytes.hpp"
#include "crypto/certificate.hpp"
#include "rtc/dtls/session.hpp"
#include "rtc/sctp/crc32c.hpp"

namespace {

using namespace chatixia;
using namespace chatixia::rtc;

constexpr std::size_t packet_bytes = 1200;

void check_crc32c(benchmark::State& state) {
  Buffer packet(packet_bytes, 7);
  for (auto _ : state) benchmark::DoNotOptimize(sctp::crc32c(packet));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packet_bytes));
}
BENCHMARK(check_crc32c);

// Two sessions that hand each other their datagrams at once.
class DtlsPair {
 public:
  DtlsPair()
      : certificate_(make_certificate()),
        client_(options(dtls::Role::client), certificate_, certificate_.fingerprint(), now_),
        server_(options(dtls::Role::server), certificate_, certificate_.fingerprint(), now_) {
    client_.handle_timeout(now_);
    for (int turn = 0; turn < 10; ++turn) {
      move(client_, server_);
      move(server_, client_);
    }
    if (!client_.is_connected() || !server_.is_connected()) std::abort();
  }

  Buffer seal(Bytes packet) {
    client_.send(packet);
    return *client_.poll_transmit();
  }
  Buffer open(Bytes datagram) {
    server_.handle_datagram(now_, datagram);
    return *server_.poll_packet();
  }

 private:
  static crypto::Certificate make_certificate() {
    auto certificate = crypto::Certificate::make(WallTime(std::chrono::hours(24 * 365 * 50)),
                                                 std::chrono::hours(24));
    if (!certificate) std::abort();
    return std::move(*certificate);
  }
  static dtls::Session::Options options(dtls::Role role) {
    return {.role = role, .datagram_bytes_max = packet_bytes + 100};
  }
  void move(dtls::Session& from, dtls::Session& to) {
    while (const auto datagram = from.poll_transmit()) to.handle_datagram(now_, *datagram);
  }

  const Instant now_{};
  crypto::Certificate certificate_;
  dtls::Session client_;
  dtls::Session server_;
};

void seal_record(benchmark::State& state) {
  DtlsPair pair;
  const Buffer packet(packet_bytes, 7);
  for (auto _ : state) benchmark::DoNotOptimize(pair.seal(packet));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packet_bytes));
}
BENCHMARK(seal_record);

void seal_and_open_record(benchmark::State& state) {
  DtlsPair pair;
  const Buffer packet(packet_bytes, 7);
  for (auto _ : state) benchmark::DoNotOptimize(pair.open(pair.seal(packet)));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packet_bytes));
}
BENCHMARK(seal_and_open_record);

// Both ends on one core: what a new link costs before its first byte.
void shake_hands(benchmark::State& state) {
  for (auto _ : state) DtlsPair pair;
}
BENCHMARK(shake_hands)->Unit(benchmark::kMillisecond);

}  // namespace
