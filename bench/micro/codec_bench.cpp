// What reading and writing the small things costs: one connectivity check, one candidate, one line
// of an agent.
#include <string>

#include <benchmark/benchmark.h>

#include "base/random.hpp"
#include "protocol/ipc.hpp"
#include "rtc/ice/candidate.hpp"
#include "rtc/stun/message.hpp"

namespace {

using namespace chatixia;
using namespace chatixia::rtc;

constexpr std::string_view password = "a password of an agent";

Buffer make_check() {
  return stun::Builder(stun::Class::request, stun::Method::binding, {1, 2, 3})
      .text(stun::AttributeType::username, "receiver:sender")
      .u32(stun::AttributeType::priority, 2113937151)
      .u64(stun::AttributeType::ice_controlling, 42)
      .integrity(as_bytes(password))
      .fingerprint()
      .take();
}

void write_check(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(make_check());
}
BENCHMARK(write_check);

void read_check(benchmark::State& state) {
  const Buffer bytes = make_check();
  for (auto _ : state) {
    const auto message = stun::Message::parse(bytes);
    benchmark::DoNotOptimize(message->verify_integrity(as_bytes(password)));
  }
}
BENCHMARK(read_check);

void read_candidate(benchmark::State& state) {
  constexpr std::string_view line =
      "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ srflx raddr 10.0.0.1 rport 5000";
  for (auto _ : state) benchmark::DoNotOptimize(ice::Candidate::parse(line));
}
BENCHMARK(read_candidate);

std::string mesh_message(std::int64_t size) {
  return R"({"type":"x_data","payload":{"pad":")" +
         std::string(static_cast<std::size_t>(size), 'x') + R"("}})";
}

void read_send_command(benchmark::State& state) {
  const std::string line =
      protocol::ipc::encode_send(std::nullopt, PeerId("bot-2"), mesh_message(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(protocol::ipc::parse_command(line));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(line.size()));
}
BENCHMARK(read_send_command)->Arg(200)->Arg(64 * 1024);

void write_message_event(benchmark::State& state) {
  const std::string message = mesh_message(state.range(0));
  const PeerId from("bot-1");
  for (auto _ : state) benchmark::DoNotOptimize(protocol::ipc::encode_message(from, message));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(message.size()));
}
BENCHMARK(write_message_event)->Arg(200)->Arg(64 * 1024);

}  // namespace
