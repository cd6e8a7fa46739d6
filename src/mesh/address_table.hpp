#pragma once

#include <algorithm>
#include <string>
#include <unordered_map>

#include "base/endpoint.hpp"
#include "mesh/link.hpp"

namespace chatixia::mesh {

// Finds the link that a datagram belongs to: by the ufrag in a check, which is ours and random,
// and for everything else by the address that an authenticated check of that link has used.
class AddressTable {
 public:
  // The ufrag before the last is still answered, until a restarted session has found its path.
  void add_ufrag(const std::string& ufrag, Link& link) {
    if (!by_ufrag_.emplace(ufrag, &link).second) return;
    link.ufrags.push_back(ufrag);
    if (link.ufrags.size() <= ufrags_per_link_max) return;
    by_ufrag_.erase(link.ufrags.front());
    link.ufrags.erase(link.ufrags.begin());
  }

  // An authenticated check has come from `remote` to `local`. Its source may be forged, so it does
  // not take an address away from the link whose path leads there; an answer to a check of ours
  // does.
  void add_address(const Endpoint& local, const Endpoint& remote, Link& link) {
    Link*& owner = by_address_[remote];
    if (owner == &link) return;
    if (owner && owner->leads_to(remote) && !link.connection->is_proved(local, remote)) return;
    if (owner) std::erase(owner->addresses, remote);
    owner = &link;
    link.addresses.push_back(remote);
    if (link.addresses.size() <= addresses_per_link_max) return;
    const auto unused =
        std::find_if(link.addresses.begin(), link.addresses.end(),
                     [&](const Endpoint& address) { return !link.leads_to(address); });
    by_address_.erase(*unused);
    link.addresses.erase(unused);
  }

  // Forgets what leads to this link's connection.
  void remove(Link& link) {
    for (const std::string& ufrag : link.ufrags) by_ufrag_.erase(ufrag);
    link.ufrags.clear();
    for (const Endpoint& address : link.addresses) by_address_.erase(address);
    link.addresses.clear();
  }

  Link* find_ufrag(const std::string& ufrag) const {
    const auto found = by_ufrag_.find(ufrag);
    return found == by_ufrag_.end() ? nullptr : found->second;
  }
  Link* find_address(const Endpoint& remote) const {
    const auto found = by_address_.find(remote);
    return found == by_address_.end() ? nullptr : found->second;
  }

 private:
  static constexpr std::size_t ufrags_per_link_max = 2;
  // A peer that moves between networks uses a handful; more are the traces of a scan.
  static constexpr std::size_t addresses_per_link_max = 32;

  std::unordered_map<std::string, Link*> by_ufrag_;
  std::unordered_map<Endpoint, Link*> by_address_;
};

}  // namespace chatixia::mesh
