#include "rtc/ice/gatherer.hpp"

#include <algorithm>
#include <deque>
#include <map>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "rtc/ice/reflexive_probe.hpp"
#include "rtc/ice/relay.hpp"
#include "rtc/stun/crc32.hpp"

namespace chatixia::rtc::ice {
namespace {

constexpr std::size_t servers_max = 8;
constexpr std::size_t host_addresses_max = 32;
// Addresses of one host that are asked about at one STUN server.
constexpr std::size_t probed_addresses_max = 8;

// Equal for candidates of one type, address and server: RFC 8445, section 5.1.1.3.
std::string foundation_of(CandidateType type, const IpAddress& base, const Endpoint* server) {
  std::string seen = fmt::format("{} {}", to_string(type), base.to_string());
  if (server) seen += " " + server->to_string();
  return std::to_string(stun::crc32(as_bytes(seen)));
}

bool may_reach(const Endpoint& base, const Endpoint& server) {
  return base.ip.is_v4() == server.ip.is_v4() && base.ip.is_loopback() == server.ip.is_loopback() &&
         base.ip.is_link_local() == server.ip.is_link_local();
}

// Whether they differ in credentials at most.
bool is_same_place(const Server& a, const Server& b) {
  return a.kind == b.kind && a.address == b.address;
}

std::vector<Server>::const_iterator find_place(const std::vector<Server>& list,
                                               const Server& server) {
  return std::find_if(list.begin(), list.end(),
                      [&](const Server& other) { return is_same_place(other, server); });
}

std::vector<Candidate>::const_iterator find_same(const std::vector<Candidate>& list,
                                                 const Candidate& candidate) {
  return std::find_if(list.begin(), list.end(), [&](const Candidate& other) {
    return other.type == candidate.type && other.address == candidate.address &&
           other.base == candidate.base;
  });
}

}  // namespace

// The candidates follow from the hosts, probes and relays: after each input the list that should
// be is computed anew, and the differences become events.
struct Gatherer::State {
  explicit State(RandomSource& source) : random(&source) {}

  void rebuild(Instant now);
  void settle(const std::string& loss_reason);
  std::vector<Candidate> desired_candidates() const;
  void add_reflexive(std::vector<Candidate>& list, const Endpoint& mapped, const Endpoint& base,
                     const Endpoint& server) const;
  void assign_preferences();
  std::uint16_t local_preference(const Endpoint& base) const;
  bool is_resolved(const Server& server) const;
  // Why the server gives nothing; nothing while it works or is still being asked.
  std::optional<std::string> failure_of(const Server& server) const;
  void report_failures();
  void drain_parts();

  RandomSource* random;
  std::vector<Endpoint> hosts;
  std::map<Endpoint, std::uint16_t> preferences;
  std::vector<Server> servers;
  std::deque<ReflexiveProbe> probes;
  std::deque<Relay> relays;

  std::vector<Candidate> candidates;
  std::vector<Server> reported_failures;
  bool is_configured = false;
  bool is_completed = false;
  std::deque<Transmit> transmits;
  std::deque<Event> events;
};

// Makes and drops probes and relays so that they fit the hosts and servers.
void Gatherer::State::rebuild(Instant now) {
  const auto has_host = [&](const Endpoint& base) {
    return std::find(hosts.begin(), hosts.end(), base) != hosts.end();
  };
  const auto has_server = [&](const Endpoint& address) {
    return std::any_of(servers.begin(), servers.end(), [&](const Server& server) {
      return server.kind == Server::Kind::stun && server.address == address;
    });
  };
  std::erase_if(probes, [&](const ReflexiveProbe& probe) {
    return !has_host(probe.base()) || !has_server(probe.server());
  });
  std::erase_if(relays, [&](Relay& relay) {
    const auto wanted = find_place(servers, relay.server());
    if (wanted != servers.end() && has_host(relay.base())) {
      relay.set_server(now, *wanted);
      return false;
    }
    relay.release(now);
    while (auto transmit = relay.poll_transmit()) transmits.push_back(std::move(*transmit));
    return true;
  });

  for (const Server& server : servers) {
    std::size_t probed = 0;
    for (const Endpoint& host : hosts) {
      if (!may_reach(host, server.address)) continue;
      if (server.kind == Server::Kind::turn) {
        const bool known = std::any_of(relays.begin(), relays.end(), [&](const Relay& relay) {
          return is_same_place(relay.server(), server);
        });
        if (!known) relays.emplace_back(server, host, *random, now);
        break;
      }
      if (++probed > probed_addresses_max) break;
      const bool known = std::any_of(probes.begin(), probes.end(), [&](const auto& probe) {
        return probe.base() == host && probe.server() == server.address;
      });
      if (!known) probes.emplace_back(host, server.address, *random, now);
    }
  }
}

std::uint16_t Gatherer::State::local_preference(const Endpoint& base) const {
  const auto found = preferences.find(base);
  return found == preferences.end() ? std::uint16_t{0} : found->second;
}

// An address keeps its preference while it is there; a new one takes the highest that is free.
void Gatherer::State::assign_preferences() {
  std::erase_if(preferences, [&](const auto& entry) {
    return std::find(hosts.begin(), hosts.end(), entry.first) == hosts.end();
  });
  for (const Endpoint& host : hosts) {
    if (preferences.contains(host)) continue;
    std::uint16_t preference = 65535;
    while (std::any_of(preferences.begin(), preferences.end(),
                       [&](const auto& entry) { return entry.second == preference; }))
      --preference;
    preferences[host] = preference;
  }
}

void Gatherer::State::add_reflexive(std::vector<Candidate>& list, const Endpoint& mapped,
                                    const Endpoint& base, const Endpoint& server) const {
  // The same address twice tells the peer nothing new: RFC 8445, section 5.1.3.
  if (std::any_of(list.begin(), list.end(),
                  [&](const Candidate& other) { return other.address == mapped; }))
    return;
  Candidate candidate;
  candidate.type = CandidateType::server_reflexive;
  candidate.foundation = foundation_of(candidate.type, base.ip, &server);
  candidate.priority = candidate_priority(candidate.type, local_preference(base));
  candidate.address = mapped;
  candidate.base = base;
  candidate.related = base;
  list.push_back(std::move(candidate));
}

std::vector<Candidate> Gatherer::State::desired_candidates() const {
  std::vector<Candidate> list;
  for (const Endpoint& host : hosts) {
    Candidate candidate;
    candidate.type = CandidateType::host;
    candidate.foundation = foundation_of(candidate.type, host.ip, nullptr);
    candidate.priority = candidate_priority(candidate.type, local_preference(host));
    candidate.address = host;
    candidate.base = host;
    list.push_back(std::move(candidate));
  }
  for (const ReflexiveProbe& probe : probes)
    if (probe.mapped()) add_reflexive(list, *probe.mapped(), probe.base(), probe.server());
  for (const Relay& relay : relays) {
    if (relay.mapped()) add_reflexive(list, *relay.mapped(), relay.base(), relay.server().address);
    if (!relay.relayed()) continue;
    Candidate candidate;
    candidate.type = CandidateType::relayed;
    candidate.foundation = foundation_of(candidate.type, relay.base().ip, &relay.server().address);
    candidate.priority = candidate_priority(candidate.type, local_preference(relay.base()));
    candidate.address = *relay.relayed();
    candidate.base = *relay.relayed();
    candidate.related = relay.mapped().value_or(relay.base());
    list.push_back(std::move(candidate));
  }
  if (list.size() > limits::candidates_max) list.resize(limits::candidates_max);
  return list;
}

bool Gatherer::State::is_resolved(const Server& server) const {
  if (server.kind == Server::Kind::turn)
    return std::all_of(relays.begin(), relays.end(), [&](const Relay& relay) {
      return !is_same_place(relay.server(), server) || relay.is_resolved();
    });
  return std::all_of(probes.begin(), probes.end(), [&](const ReflexiveProbe& probe) {
    return probe.server() != server.address || probe.is_resolved();
  });
}

std::optional<std::string> Gatherer::State::failure_of(const Server& server) const {
  if (hosts.empty() || !is_resolved(server)) return std::nullopt;
  if (std::none_of(hosts.begin(), hosts.end(),
                   [&](const Endpoint& host) { return may_reach(host, server.address); }))
    return "no local address can reach it";
  if (server.kind == Server::Kind::turn) {
    for (const Relay& relay : relays)
      if (is_same_place(relay.server(), server) && !relay.failure().empty()) return relay.failure();
    return std::nullopt;
  }
  for (const ReflexiveProbe& probe : probes)
    if (probe.server() == server.address && probe.mapped()) return std::nullopt;
  return "the STUN server does not answer";
}

// Once for each time that a server stops working.
void Gatherer::State::report_failures() {
  for (const Server& server : servers) {
    const auto known = find_place(reported_failures, server);
    const auto reason = failure_of(server);
    if (!reason && known != reported_failures.end()) reported_failures.erase(known);
    if (!reason || known != reported_failures.end()) continue;
    reported_failures.push_back(server);
    events.push_back(ServerFailed{server, *reason});
  }
}

void Gatherer::State::settle(const std::string& loss_reason) {
  drain_parts();
  std::vector<Candidate> desired = desired_candidates();
  const auto is_missing_in = [](const std::vector<Candidate>& list, const Candidate& candidate) {
    return find_same(list, candidate) == list.end();
  };
  // What was announced stays as it was, even if another server would vouch for it now.
  for (Candidate& candidate : desired)
    if (const auto known = find_same(candidates, candidate); known != candidates.end())
      candidate = *known;
  for (const Candidate& candidate : candidates)
    if (is_missing_in(desired, candidate)) events.push_back(CandidateLost{candidate, loss_reason});
  for (const Candidate& candidate : desired)
    if (is_missing_in(candidates, candidate)) events.push_back(CandidateFound{candidate});
  candidates = std::move(desired);
  report_failures();

  const bool all_resolved = is_configured && !hosts.empty() &&
                            std::all_of(servers.begin(), servers.end(),
                                        [&](const Server& server) { return is_resolved(server); });
  if (all_resolved && !is_completed) events.push_back(Completed{});
  is_completed = all_resolved;
}

void Gatherer::State::drain_parts() {
  for (ReflexiveProbe& probe : probes)
    while (auto transmit = probe.poll_transmit()) transmits.push_back(std::move(*transmit));
  for (Relay& relay : relays)
    while (auto transmit = relay.poll_transmit()) transmits.push_back(std::move(*transmit));
}

Gatherer::Gatherer(RandomSource& random, Instant) : state_(std::make_unique<State>(random)) {}
Gatherer::~Gatherer() = default;
Gatherer::Gatherer(Gatherer&&) noexcept = default;
Gatherer& Gatherer::operator=(Gatherer&&) noexcept = default;

void Gatherer::set_host_addresses(Instant now, const std::vector<Endpoint>& addresses) {
  State& state = *state_;
  state.hosts.clear();
  for (const Endpoint& address : addresses) {
    const bool is_usable = address.port != 0 && !address.ip.is_unspecified() &&
                           !address.ip.is_multicast() &&
                           !(address.ip.is_v6() && address.ip.is_link_local());
    const bool known =
        std::find(state.hosts.begin(), state.hosts.end(), address) != state.hosts.end();
    if (is_usable && !known && state.hosts.size() < host_addresses_max)
      state.hosts.push_back(address);
  }
  state.assign_preferences();
  state.is_configured = true;
  state.rebuild(now);
  state.settle("the address is gone");
}

void Gatherer::set_servers(Instant now, const std::vector<Server>& servers) {
  State& state = *state_;
  state.servers.assign(servers.begin(), servers.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                              servers.size(), servers_max)));
  std::erase_if(state.reported_failures, [&](const Server& server) {
    return find_place(state.servers, server) == state.servers.end();
  });
  state.is_configured = true;
  state.rebuild(now);
  state.settle("the server is no longer used");
}

void Gatherer::close(Instant now) {
  State& state = *state_;
  state.servers.clear();
  state.hosts.clear();
  state.rebuild(now);
  state.candidates.clear();
  state.settle("closed");
}

Gatherer::Handled Gatherer::handle_datagram(Instant now, const Datagram& datagram) {
  State& state = *state_;
  for (Relay& relay : state.relays) {
    const auto handled = relay.handle_datagram(now, datagram);
    if (std::holds_alternative<turn::Client::NotMine>(handled)) continue;
    if (const auto* inner = std::get_if<Datagram>(&handled)) return *inner;
    state.settle("the relay was lost");
    return Consumed{};
  }
  for (ReflexiveProbe& probe : state.probes) {
    if (!probe.handle_datagram(now, datagram)) continue;
    state.settle("the NAT has given another address");
    return Consumed{};
  }
  return NotMine{};
}

void Gatherer::send_relayed(Instant now, Transmit transmit) {
  for (Relay& relay : state_->relays) {
    if (relay.relayed() != transmit.local) continue;
    relay.send(now, transmit.remote, transmit.bytes);
    while (auto wrapped = relay.poll_transmit()) state_->transmits.push_back(std::move(*wrapped));
    return;
  }
}

bool Gatherer::is_relayed(const Endpoint& local) const {
  return std::any_of(state_->relays.begin(), state_->relays.end(),
                     [&](const Relay& relay) { return relay.relayed() == local; });
}

bool Gatherer::is_host(const Endpoint& local) const {
  return std::find(state_->hosts.begin(), state_->hosts.end(), local) != state_->hosts.end();
}

void Gatherer::handle_timeout(Instant now) {
  for (ReflexiveProbe& probe : state_->probes)
    if (now >= probe.next_timeout()) probe.handle_timeout(now);
  for (Relay& relay : state_->relays)
    if (now >= relay.next_timeout()) relay.handle_timeout(now);
  state_->settle("the server does not answer");
}

Instant Gatherer::next_timeout() const {
  Instant at = never;
  for (const ReflexiveProbe& probe : state_->probes) at = std::min(at, probe.next_timeout());
  for (const Relay& relay : state_->relays) at = std::min(at, relay.next_timeout());
  return at;
}

std::optional<Transmit> Gatherer::poll_transmit() {
  if (state_->transmits.empty()) return std::nullopt;
  Transmit transmit = std::move(state_->transmits.front());
  state_->transmits.pop_front();
  return transmit;
}

std::optional<Gatherer::Event> Gatherer::poll_event() {
  if (state_->events.empty()) return std::nullopt;
  Event event = std::move(state_->events.front());
  state_->events.pop_front();
  return event;
}

const std::vector<Candidate>& Gatherer::candidates() const {
  return state_->candidates;
}
bool Gatherer::completed() const {
  return state_->is_completed;
}

}  // namespace chatixia::rtc::ice
