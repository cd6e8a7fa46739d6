#include "registry/local_bus.hpp"

#include <utility>

namespace chatixia::registry {

void LocalBus::attach(const PeerId& peer, Connection& connection) {
  // The newer one stands before the older one is told, whose end may call back into detach().
  Connection* older = std::exchange(connections_[peer], &connection);
  if (older != nullptr && older != &connection)
    older->close(replaced_code, "replaced by a newer connection");
}

void LocalBus::detach(const PeerId& peer, const Connection& connection) {
  const auto found = connections_.find(peer);
  if (found != connections_.end() && found->second == &connection) connections_.erase(found);
}

std::vector<PeerId> LocalBus::peers() const {
  std::vector<PeerId> all;
  all.reserve(connections_.size());
  for (const auto& [peer, connection] : connections_) all.push_back(peer);
  return all;
}

void LocalBus::deliver(const PeerId& to, std::string envelope,
                       std::move_only_function<void(bool)> done) {
  const auto found = connections_.find(to);
  done(found != connections_.end() && found->second->deliver(std::move(envelope)));
}

void LocalBus::publish(const Event& event) {
  for (const auto& subscriber : subscribers_) subscriber(event);
}

void LocalBus::subscribe(std::function<void(const Event&)> subscriber) {
  subscribers_.push_back(std::move(subscriber));
}

}  // namespace chatixia::registry
