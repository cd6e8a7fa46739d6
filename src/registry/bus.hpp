#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strong.hpp"
#include "json/json.hpp"

namespace chatixia::registry {

// Something that happened which logs, the hub and other nodes care about.
struct Event {
  std::string_view type;  // "agent_registered": one of event_type
  std::string subject;    // the agent, peer or task it happened to
  json::Object data;
};

namespace event_type {
inline constexpr std::string_view agent_registered = "agent_registered";
inline constexpr std::string_view agent_removed = "agent_removed";
inline constexpr std::string_view peer_connected = "peer_connected";
inline constexpr std::string_view peer_disconnected = "peer_disconnected";
inline constexpr std::string_view links_changed = "links_changed";
inline constexpr std::string_view task_submitted = "task_submitted";
inline constexpr std::string_view task_changed = "task_changed";
}  // namespace event_type

// Who holds which peer's connection, and what happened, across all nodes of a registry.
// Completions and subscribers run on the registry's thread, possibly before the call returns.
class Bus {
 public:
  // One peer's connection at this node.
  class Connection {
   public:
    virtual ~Connection() = default;
    // False when it cannot take more.
    virtual bool deliver(std::string envelope) = 0;
    virtual void close(std::uint16_t code, std::string reason) = 0;
  };
  // The code of RFC 6455, section 7.4.2, with which a connection ends that a newer one replaced.
  static constexpr std::uint16_t replaced_code = 4001;

  virtual ~Bus() = default;

  // A peer has one connection: an older one is closed, wherever it is.
  virtual void attach(const PeerId& peer, Connection& connection) = 0;
  // Does nothing when the peer has a newer connection by now.
  virtual void detach(const PeerId& peer, const Connection& connection) = 0;
  virtual bool is_connected(const PeerId& peer) const = 0;
  virtual std::vector<PeerId> peers() const = 0;
  // `done` learns whether some connection of the peer took the envelope.
  virtual void deliver(const PeerId& to, std::string envelope,
                       std::move_only_function<void(bool)> done) = 0;

  virtual void publish(const Event& event) = 0;
  // Subscribers stay for the life of the bus.
  virtual void subscribe(std::function<void(const Event&)> subscriber) = 0;
};

}  // namespace chatixia::registry
