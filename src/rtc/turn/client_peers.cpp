#include <algorithm>
#include <utility>

#include "rtc/turn/client.hpp"

// What goes through an allocation: permissions, channels, datagrams.
namespace chatixia::rtc::turn {
namespace {

using stun::AttributeType;
using namespace std::chrono_literals;

constexpr Duration permission_refresh_after = 4min;  // they last 5: RFC 8656, section 9
constexpr Duration channel_refresh_after = 9min;     // they last 10: section 12
constexpr Duration unused_after = 5min;
constexpr Duration refused_for = 30s;

// From here on a channel pays: 36 bytes less for each datagram, for one more request.
constexpr std::uint32_t steady_datagrams = 16;

constexpr std::size_t datagram_bytes_max = 65000;

}  // namespace

void Client::send(Instant now, const Endpoint& peer, Bytes bytes) {
  if (!relayed_ || bytes.size() > datagram_bytes_max) return;
  if (Channel* const channel = channels_.find(peer);
      channel && channel->state == Channel::State::bound) {
    channel->used_at = now;
    return emit(encode_channel_data(channel->number, bytes));
  }
  if (peer.ip.is_v4() != relayed_->ip.is_v4()) return;
  Permission& permission = permission_for(now, peer);
  permission.used_at = now;
  switch (permission.state) {
    case Permission::State::granted:
      send_indication(peer, bytes);
      count_towards_channel(now, peer);
      break;
    case Permission::State::requested:
      if (permission.pending.size() < pending_datagrams_max)
        permission.pending.emplace_back(peer, Buffer(bytes.begin(), bytes.end()));
      break;
    case Permission::State::refused:
      break;
  }
}

Client::Permission& Client::permission_for(Instant now, const Endpoint& peer) {
  const auto found = permissions_.find(peer.ip);
  if (found != permissions_.end()) {
    Permission& known = found->second;
    if (known.state == Permission::State::refused && now >= known.changed_at + refused_for) {
      known = Permission{.changed_at = now};
      start_request(now, Kind::permission, peer, 1);
    }
    return known;
  }
  if (permissions_.size() >= permissions_max) {
    permissions_.erase(std::min_element(
        permissions_.begin(), permissions_.end(),
        [](const auto& a, const auto& b) { return a.second.used_at < b.second.used_at; }));
  }
  start_request(now, Kind::permission, peer, 1);
  return permissions_[peer.ip] = Permission{.changed_at = now};
}

void Client::on_permission_granted(Instant now, const Endpoint& peer) {
  const auto found = permissions_.find(peer.ip);
  if (found == permissions_.end()) return;
  found->second.state = Permission::State::granted;
  found->second.changed_at = now;
  const auto pending = std::exchange(found->second.pending, {});
  for (const auto& [target, bytes] : pending) send_indication(target, bytes);
}

void Client::send_indication(const Endpoint& peer, Bytes bytes) {
  emit(stun::Builder(stun::Class::indication, stun::Method::send,
                     stun::make_transaction_id(*random_))
           .xor_address(AttributeType::xor_peer_address, peer)
           .bytes(AttributeType::data, bytes)
           .take());
}

void Client::count_towards_channel(Instant now, const Endpoint& peer) {
  Channel* const channel = channels_.find_or_add(peer);
  if (!channel) return;
  channel->used_at = now;
  if (channel->state != Channel::State::unbound || ++channel->datagrams < steady_datagrams) return;
  channels_.assign_number(peer, *channel);
  channel->state = Channel::State::binding;
  start_request(now, Kind::channel, peer, 1);
}

// Refreshes what is used and forgets what is not; the server's own timers end it there.
void Client::maintain(Instant now) {
  maintain_at_ = now + maintenance_interval;
  std::vector<Endpoint> forgotten;
  for (auto& [peer, channel] : channels_.channels()) {
    if (now - channel.used_at > unused_after) {
      forgotten.push_back(peer);
      continue;
    }
    if (const auto found = permissions_.find(peer.ip); found != permissions_.end())
      found->second.used_at = std::max(found->second.used_at, channel.used_at);
    if (channel.state == Channel::State::bound && now - channel.bound_at >= channel_refresh_after &&
        !has_request(Kind::channel, peer))
      start_request(now, Kind::channel, peer, 1);
  }
  for (const Endpoint& peer : forgotten) channels_.remove(peer);

  std::erase_if(permissions_,
                [&](const auto& entry) { return now - entry.second.used_at > unused_after; });
  for (auto& [ip, permission] : permissions_) {
    const Endpoint peer{ip, 0};
    if (permission.state == Permission::State::granted &&
        now - permission.changed_at >= permission_refresh_after &&
        !has_request(Kind::permission, peer))
      start_request(now, Kind::permission, peer, 1);
  }
}

Client::Handled Client::on_data(const stun::Message& message) const {
  if (message.method() != stun::Method::data) return NotMine{};
  const auto peer = message.xor_address(AttributeType::xor_peer_address);
  const auto data = message.find(AttributeType::data);
  if (!peer || !data || !relayed_ || !permissions_.contains(peer->ip)) return Consumed{};
  return Datagram{*relayed_, *peer, *data};
}

}  // namespace chatixia::rtc::turn
