#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "rtc/ice/agent.hpp"
#include "support/fake_network.hpp"

namespace chatixia::testing {

inline constexpr Instant start{std::chrono::hours(1)};

inline rtc::ice::Candidate host_candidate(const Endpoint& address,
                                          std::uint16_t local_preference = 65535) {
  rtc::ice::Candidate candidate;
  candidate.type = rtc::ice::CandidateType::host;
  candidate.foundation = std::to_string(std::hash<IpAddress>{}(address.ip) % 100000);
  candidate.priority =
      rtc::ice::candidate_priority(rtc::ice::CandidateType::host, local_preference);
  candidate.address = address;
  candidate.base = address;
  return candidate;
}

// One agent on a FakeNetwork with its sockets.
struct IcePeer {
  IcePeer(FakeNetwork& its_network, RandomSource& random, rtc::ice::Agent::Options options)
      : network(its_network), agent(options, rtc::ice::Credentials::make(random), random, start) {}

  void plug(const Endpoint& address, std::optional<IpAddress> nat = std::nullopt) {
    const auto receive = [this](Instant now, const Datagram& datagram) {
      agent.handle_stun(now, datagram);
      drain(now);
    };
    if (nat)
      network.attach_behind(address, *nat, receive);
    else
      network.attach(address, receive);
  }
  void add_local(Instant now, const rtc::ice::Candidate& candidate) {
    candidates.push_back(candidate);
    agent.add_local_candidate(now, candidate);
    drain(now);
  }
  void add_host(Instant now, const Endpoint& address, std::uint16_t preference = 65535) {
    plug(address);
    add_local(now, host_candidate(address, preference));
  }
  void drain(Instant now) {
    while (auto transmit = agent.poll_transmit()) network.send(now, *transmit);
    while (auto event = agent.poll_event()) {
      if (std::holds_alternative<rtc::ice::Agent::Selected>(*event)) {
        ++selections;
        if (!selected_at) selected_at = now;
      }
      if (std::holds_alternative<rtc::ice::Agent::Disconnected>(*event)) disconnected_at = now;
      if (auto* failure = std::get_if<rtc::ice::Agent::Failed>(&*event)) {
        failed_at = now;
        failure_reason = failure->reason;
      }
    }
  }

  FakeNetwork& network;
  rtc::ice::Agent agent;
  std::vector<rtc::ice::Candidate> candidates;
  int selections = 0;
  std::optional<Instant> selected_at;
  std::optional<Instant> disconnected_at;
  std::optional<Instant> failed_at;
  std::string failure_reason;
};

// Two agents, a network and the time: the world of an ICE test.
struct IcePair {
  explicit IcePair(std::uint64_t seed = 1, rtc::ice::Agent::Options offerer = {},
                   rtc::ice::Agent::Options answerer = {.role = rtc::ice::Role::controlled})
      : network(seed), random(seed), a(network, random, offerer), b(network, random, answerer) {}

  static void describe(Instant now, IcePeer& from, IcePeer& to) {
    to.agent.set_remote_credentials(now, from.agent.local_credentials());
    for (const auto& candidate : from.candidates) {
      auto parsed = rtc::ice::Candidate::parse(candidate.encode());
      to.agent.add_remote_candidate(now, *parsed);
    }
    to.agent.end_of_remote_candidates(now);
    from.agent.end_of_local_candidates(now);
    to.drain(now);
    from.drain(now);
  }
  void exchange() {
    describe(now, a, b);
    describe(now, b, a);
  }

  void run_for(Duration duration) {
    const Instant end = now + duration;
    run_while([] { return true; }, end);
  }
  // Jumps from event to event until `going` says no, or `end`.
  template <class Condition>
  void run_while(Condition going, Instant end) {
    while (going()) {
      const Instant next =
          std::min({network.next_arrival(), a.agent.next_timeout(), b.agent.next_timeout()});
      if (next > end) {
        now = std::max(now, end);
        return;
      }
      now = std::max(now, next);
      network.deliver_until(now);
      for (IcePeer* peer : {&a, &b}) {
        if (peer->agent.next_timeout() > now) continue;
        peer->agent.handle_timeout(now);
        peer->drain(now);
      }
    }
  }
  bool run_until_selected(Duration limit = std::chrono::seconds(30)) {
    run_while([&] { return !(a.agent.is_selected() && b.agent.is_selected()); }, now + limit);
    return a.agent.is_selected() && b.agent.is_selected();
  }

  Instant now = start;
  FakeNetwork network;
  SeededRandom random;
  IcePeer a;
  IcePeer b;
};

}  // namespace chatixia::testing
