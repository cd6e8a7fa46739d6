#pragma once

#include <map>

#include "registry/bus.hpp"

namespace chatixia::registry {

// The bus of a registry that is one process.
class LocalBus final : public Bus {
 public:
  void attach(const PeerId& peer, Connection& connection) override;
  void detach(const PeerId& peer, const Connection& connection) override;
  bool is_connected(const PeerId& peer) const override { return connections_.contains(peer); }
  std::vector<PeerId> peers() const override;
  void deliver(const PeerId& to, std::string envelope,
               std::move_only_function<void(bool)> done) override;
  void publish(const Event& event) override;
  void subscribe(std::function<void(const Event&)> subscriber) override;

 private:
  std::map<PeerId, Connection*> connections_;
  std::vector<std::function<void(const Event&)>> subscribers_;
};

}  // namespace chatixia::registry
