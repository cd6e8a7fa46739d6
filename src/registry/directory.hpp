#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "protocol/registry_api.hpp"
#include "registry/bus.hpp"
#include "registry/moment.hpp"
#include "registry/principal.hpp"
#include "registry/store.hpp"

namespace chatixia::registry {

// The agents of the mesh: who they are, what they can, and whether they are alive.
//
// An agent id belongs to the credential that first registered it, and a sidecar to the credential
// that names its peer: nobody else but an admin changes the record, so that traffic for an agent
// cannot be led astray by claiming its name.
class Directory {
 public:
  struct Options {
    Duration stale_after = std::chrono::seconds(90);
    Duration offline_after = std::chrono::seconds(270);
    std::size_t capabilities_bytes_max = 64 * 1024;
    std::size_t skills_max = 1024;
  };
  // True if some credential speaks for the peer.
  using NamesPeer = std::function<bool(const PeerId&)>;
  using Done = Store::Done;

  Directory(Store& store, Bus& bus, NamesPeer names_peer) : Directory(store, bus, names_peer, {}) {}
  Directory(Store& store, Bus& bus, NamesPeer names_peer, const Options& options);

  void register_agent(const Moment& now, const Principal& principal,
                      protocol::api::AgentRegistration registration, Done done);
  // Registers an unknown agent.
  void heartbeat(const Moment& now, const Principal& principal, protocol::api::Heartbeat heartbeat,
                 Done done);
  void remove(const Principal& principal, const AgentId& id, Done done);

  std::vector<protocol::api::AgentRecord> list(Instant now) const;
  std::optional<protocol::api::AgentRecord> find(Instant now, const AgentId& id) const;
  // The best agent with a skill: active before stale, connected before not, then the one whose
  // last turn is longest ago, then the one heard of last. Offline agents are left out.
  std::optional<protocol::api::AgentRecord> route(Instant now, std::string_view skill);

  // True if the agent is known and belongs to this credential; an admin speaks for every agent.
  bool speaks_for(const Principal& principal, const AgentId& id) const;
  const AgentEntry* entry(const AgentId& id) const { return store_.find_agent(id); }
  // Work went to the agent: its next turn comes after everyone else's.
  void note_turn(const AgentId& id);

 private:
  std::string_view health(Instant now, const AgentEntry& entry) const;
  protocol::api::AgentRecord show(Instant now, const AgentEntry& entry) const;
  std::uint64_t turn(const AgentEntry& entry) const;
  Result<void> may_change(const Principal& principal, const AgentId& id,
                          const PeerId& sidecar) const;
  Result<void> check(const AgentEntry& entry) const;
  void put(const Moment& now, AgentEntry entry, bool is_new, Done done);

  Store& store_;
  Bus& bus_;
  NamesPeer names_peer_;
  Options options_;
  std::map<AgentId, std::uint64_t> turns_;
  std::uint64_t turn_count_ = 0;
};

}  // namespace chatixia::registry
