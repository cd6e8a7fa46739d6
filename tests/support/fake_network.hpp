#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/datagram.hpp"
#include "base/random.hpp"
#include "base/time.hpp"

namespace chatixia::testing {

inline Endpoint at(std::string_view text) {
  return Endpoint::parse(text).value();
}

// A UDP network in virtual time: loss and delay from a seed, hosts in the open or behind NATs.
// What one side sends, the other side's receiver gets when deliver_until() passes its arrival.
class FakeNetwork {
 public:
  using Receiver = std::function<void(Instant, const Datagram&)>;
  // How a NAT maps and filters, from kind to strict (RFC 4787).
  enum class NatKind { endpoint_independent, port_restricted, symmetric };

  explicit FakeNetwork(std::uint64_t seed) : random_(seed) {}

  double loss = 0;
  Duration delay = std::chrono::milliseconds(1);
  Duration jitter = Duration::zero();

  void attach(const Endpoint& address, Receiver receiver) {
    hosts_[address] = {std::move(receiver), std::nullopt};
  }
  void attach_behind(const Endpoint& address, const IpAddress& nat, Receiver receiver) {
    hosts_[address] = {std::move(receiver), nat};
  }
  void add_nat(const IpAddress& outside, NatKind kind) { nats_[outside].kind = kind; }
  // Everything the NAT had mapped is forgotten, as after a reboot or a change of network.
  void rebind(const IpAddress& outside) { nats_[outside].mappings.clear(); }
  void cut(const Endpoint& a, const Endpoint& b) { cuts_.emplace_back(a, b); }
  // Nothing from or to the address passes any more.
  void unplug(const Endpoint& address) { unplugged_.push_back(address); }
  void heal() {
    cuts_.clear();
    unplugged_.clear();
  }

  void send(Instant now, const Transmit& transmit) {
    ++sent_;
    if (random_.unit() < loss) return;
    const auto source = hosts_.find(transmit.local);
    if (source == hosts_.end()) return;
    Packet packet{now + delay + random_.up_to(jitter), transmit.local, transmit.remote,
                  transmit.bytes};
    if (is_cut(packet)) return;
    const auto target = hosts_.find(packet.to);
    const bool is_neighbour = target != hosts_.end() && target->second.nat == source->second.nat;
    if (!is_neighbour) {
      if (source->second.nat) packet.from = translate_out(*source->second.nat, packet);
      if (!translate_in(packet)) return;
    }
    if (is_cut(packet)) return;
    packets_.emplace(packet.arrives, std::move(packet));
  }

  Instant next_arrival() const { return packets_.empty() ? never : packets_.begin()->first; }

  void deliver_until(Instant now) {
    while (!packets_.empty() && packets_.begin()->first <= now) {
      const Packet packet = std::move(packets_.begin()->second);
      packets_.erase(packets_.begin());
      const auto target = hosts_.find(packet.to);
      if (target != hosts_.end())
        target->second.receiver(now, Datagram{packet.to, packet.from, packet.bytes});
    }
  }

  std::size_t sent() const { return sent_; }

 private:
  struct Host {
    Receiver receiver;
    std::optional<IpAddress> nat;
  };
  struct Packet {
    Instant arrives;
    Endpoint from;
    Endpoint to;
    Buffer bytes;
  };
  struct Mapping {
    Endpoint inside;
    std::optional<Endpoint> only_for;  // symmetric: one mapping for each destination
    Endpoint outside;
    std::vector<Endpoint> contacted;
  };
  struct Nat {
    NatKind kind = NatKind::endpoint_independent;
    std::vector<Mapping> mappings;
  };

  bool is_cut(const Packet& packet) const {
    for (const Endpoint& gone : unplugged_)
      if (gone == packet.from || gone == packet.to) return true;
    return std::any_of(cuts_.begin(), cuts_.end(), [&](const auto& cut) {
      return (cut.first == packet.from && cut.second == packet.to) ||
             (cut.second == packet.from && cut.first == packet.to);
    });
  }

  Endpoint translate_out(const IpAddress& outside, const Packet& packet) {
    Nat& nat = nats_[outside];
    const bool symmetric = nat.kind == NatKind::symmetric;
    for (Mapping& mapping : nat.mappings) {
      if (mapping.inside != packet.from || (symmetric && mapping.only_for != packet.to)) continue;
      mapping.contacted.push_back(packet.to);
      return mapping.outside;
    }
    Mapping mapping;
    mapping.inside = packet.from;
    if (symmetric) mapping.only_for = packet.to;
    mapping.outside = {outside, next_port_++};
    mapping.contacted.push_back(packet.to);
    nat.mappings.push_back(mapping);
    return mapping.outside;
  }

  // False when nothing is there, or a NAT keeps the packet out.
  bool translate_in(Packet& packet) const {
    if (const auto nat = nats_.find(packet.to.ip); nat != nats_.end()) {
      for (const Mapping& mapping : nat->second.mappings) {
        if (mapping.outside != packet.to) continue;
        const bool known = std::find(mapping.contacted.begin(), mapping.contacted.end(),
                                     packet.from) != mapping.contacted.end();
        if (nat->second.kind != NatKind::endpoint_independent && !known) return false;
        packet.to = mapping.inside;
        return true;
      }
      return false;
    }
    const auto target = hosts_.find(packet.to);
    return target != hosts_.end() && !target->second.nat;
  }

  SeededRandom random_;
  std::map<Endpoint, Host> hosts_;
  std::map<IpAddress, Nat> nats_;
  std::multimap<Instant, Packet> packets_;
  std::vector<std::pair<Endpoint, Endpoint>> cuts_;
  std::vector<Endpoint> unplugged_;
  std::uint16_t next_port_ = 40000;
  std::size_t sent_ = 0;
};

}  // namespace chatixia::testing
