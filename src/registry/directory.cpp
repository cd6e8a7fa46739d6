#include "registry/directory.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "json/json.hpp"
#include "registry/api_keys.hpp"
#include "registry/errc.hpp"

namespace chatixia::registry {
namespace {

namespace api = protocol::api;

template <class Text>
void replace_if_given(Text& field, std::optional<Text>& given) {
  if (given) field = std::move(*given);
}

// What a heartbeat changes in a record; fields that it leaves out stay.
void apply(api::Heartbeat& heartbeat, AgentEntry& entry) {
  api::AgentRecord& record = entry.record;
  replace_if_given(record.hostname, heartbeat.hostname);
  replace_if_given(record.ip, heartbeat.ip);
  replace_if_given(record.port, heartbeat.port);
  replace_if_given(record.status, heartbeat.status);
  replace_if_given(record.mode, heartbeat.mode);
  if (heartbeat.sidecar_peer_id && !heartbeat.sidecar_peer_id->empty())
    record.sidecar_peer_id = *heartbeat.sidecar_peer_id;
  if (heartbeat.skill_names) {
    record.capabilities["skills"] =
        json::Array(heartbeat.skill_names->begin(), heartbeat.skill_names->end());
  }
  if (heartbeat.goals_count) record.capabilities["goals_count"] = *heartbeat.goals_count;
}

AgentEntry to_entry(api::AgentRegistration registration) {
  AgentEntry entry;
  entry.record = {.agent_id = std::move(registration.agent_id),
                  .hostname = std::move(registration.hostname),
                  .ip = std::move(registration.ip),
                  .port = registration.port,
                  .sidecar_peer_id = std::move(registration.sidecar_peer_id),
                  .capabilities = std::move(registration.capabilities),
                  .status = std::move(registration.status),
                  .mode = std::move(registration.mode)};
  return entry;
}

bool has_skill(const AgentEntry& entry, std::string_view skill) {
  return std::ranges::find(entry.skills, skill) != entry.skills.end();
}

// An admin who registers an agent with its sidecar hands the agent to the sidecar's credential.
PeerId first_owner(const Principal& principal, const api::AgentRecord& record) {
  if (principal.is_admin() && !record.sidecar_peer_id.empty())
    return PeerId(record.sidecar_peer_id);
  return principal.peer;
}

}  // namespace

Directory::Directory(Store& store, Bus& bus, NamesPeer names_peer, const Options& options)
    : store_(store), bus_(bus), names_peer_(std::move(names_peer)), options_(options) {}

void Directory::register_agent(const Moment& now, const Principal& principal,
                               api::AgentRegistration registration, Done done) {
  AgentEntry entry = to_entry(std::move(registration));
  const AgentId id(entry.record.agent_id);
  if (auto allowed = may_change(principal, id, PeerId(entry.record.sidecar_peer_id)); !allowed)
    return done(std::move(allowed));

  const AgentEntry* known = store_.find_agent(id);
  const bool is_new = known == nullptr;
  entry.owner = is_new ? first_owner(principal, entry.record) : known->owner;
  entry.record.registered_at =
      is_new ? api::rfc3339(epoch_seconds(now.wall)) : known->record.registered_at;
  put(now, std::move(entry), is_new, std::move(done));
}

void Directory::heartbeat(const Moment& now, const Principal& principal, api::Heartbeat heartbeat,
                          Done done) {
  const AgentId id(heartbeat.agent_id);
  if (auto allowed =
          may_change(principal, id, PeerId(heartbeat.sidecar_peer_id.value_or(std::string())));
      !allowed)
    return done(std::move(allowed));

  const AgentEntry* known = store_.find_agent(id);
  const bool is_new = known == nullptr;
  AgentEntry entry =
      is_new ? to_entry(api::AgentRegistration{.agent_id = heartbeat.agent_id}) : *known;
  apply(heartbeat, entry);
  if (is_new) {
    entry.owner = first_owner(principal, entry.record);
    entry.record.registered_at = api::rfc3339(epoch_seconds(now.wall));
  }
  put(now, std::move(entry), is_new, std::move(done));
}

void Directory::put(const Moment& now, AgentEntry entry, bool is_new, Done done) {
  entry.skills = entry.record.skills();
  if (auto sound = check(entry); !sound) return done(std::move(sound));
  entry.heard_at = now.instant;
  entry.record.last_heartbeat = api::rfc3339(epoch_seconds(now.wall));

  std::string id = entry.record.agent_id;
  store_.put_agent(std::move(entry), [this, is_new, id = std::move(id),
                                      done = std::move(done)](Result<void> stored) mutable {
    if (stored && is_new) bus_.publish({event_type::agent_registered, id, {}});
    done(std::move(stored));
  });
}

Result<void> Directory::check(const AgentEntry& entry) const {
  const api::AgentRecord& record = entry.record;
  if (!is_valid_id(record.agent_id))
    return fail(Errc::invalid, "agent_id is empty or holds control characters");
  if (!record.sidecar_peer_id.empty() && !is_valid_id(record.sidecar_peer_id))
    return fail(Errc::invalid, "sidecar_peer_id holds control characters");
  if (entry.skills.size() > options_.skills_max) return fail(Errc::invalid, "too many skills");
  if (json::encode(record.capabilities).size() > options_.capabilities_bytes_max)
    return fail(Errc::invalid, "capabilities are too large");
  return {};
}

Result<void> Directory::may_change(const Principal& principal, const AgentId& id,
                                   const PeerId& sidecar) const {
  if (principal.is_admin()) return {};
  const AgentEntry* known = store_.find_agent(id);
  if (known != nullptr && known->owner != principal.peer)
    return fail(Errc::forbidden, "this agent id belongs to another credential");
  if (sidecar.value().empty() || sidecar == principal.peer) return {};

  // 0.4 agents guess the id of their sidecar, so a name that nobody holds is fine.
  const bool is_taken =
      names_peer_(sidecar) || bus_.is_connected(sidecar) ||
      std::ranges::any_of(store_.agents(), [&](const AgentEntry* other) {
        return other->owner != principal.peer && other->record.sidecar_peer_id == sidecar.value();
      });
  if (is_taken) return fail(Errc::forbidden, "this sidecar belongs to another credential");
  return {};
}

void Directory::remove(const Principal& principal, const AgentId& id, Done done) {
  if (store_.find_agent(id) == nullptr) return done(fail(Errc::not_found));
  if (principal.role != Role::operator_ && !speaks_for(principal, id))
    return done(fail(Errc::forbidden, "this agent belongs to another credential"));
  turns_.erase(id);
  store_.erase_agent(id, [this, id, done = std::move(done)](Result<void> stored) mutable {
    if (stored) bus_.publish({event_type::agent_removed, id.value(), {}});
    done(std::move(stored));
  });
}

std::vector<api::AgentRecord> Directory::list(Instant now) const {
  std::vector<api::AgentRecord> records;
  for (const AgentEntry* entry : store_.agents()) records.push_back(show(now, *entry));
  return records;
}

std::optional<api::AgentRecord> Directory::find(Instant now, const AgentId& id) const {
  const AgentEntry* entry = store_.find_agent(id);
  if (entry == nullptr) return std::nullopt;
  return show(now, *entry);
}

std::optional<api::AgentRecord> Directory::route(Instant now, std::string_view skill) {
  // Smaller is better, member by member.
  const auto rank = [&](const AgentEntry& entry) {
    return std::tuple(health(now, entry) != "active", entry.record.status != "active",
                      !bus_.is_connected(PeerId(entry.record.sidecar_peer_id)), turn(entry),
                      now - entry.heard_at);
  };
  const AgentEntry* best = nullptr;
  for (const AgentEntry* entry : store_.agents()) {
    if (health(now, *entry) == "offline" || !has_skill(*entry, skill)) continue;
    if (best == nullptr || rank(*entry) < rank(*best)) best = entry;
  }
  if (best == nullptr) return std::nullopt;
  note_turn(AgentId(best->record.agent_id));
  return show(now, *best);
}

bool Directory::speaks_for(const Principal& principal, const AgentId& id) const {
  if (principal.is_admin()) return true;
  const AgentEntry* entry = store_.find_agent(id);
  return entry != nullptr && !principal.is_anonymous() && entry->owner == principal.peer;
}

void Directory::note_turn(const AgentId& id) {
  turns_[id] = ++turn_count_;
}

std::uint64_t Directory::turn(const AgentEntry& entry) const {
  const auto found = turns_.find(AgentId(entry.record.agent_id));
  return found == turns_.end() ? 0 : found->second;
}

std::string_view Directory::health(Instant now, const AgentEntry& entry) const {
  const Duration silence = now - entry.heard_at;
  if (silence < options_.stale_after) return "active";
  return silence < options_.offline_after ? "stale" : "offline";
}

api::AgentRecord Directory::show(Instant now, const AgentEntry& entry) const {
  api::AgentRecord record = entry.record;
  record.health = health(now, entry);
  return record;
}

}  // namespace chatixia::registry
