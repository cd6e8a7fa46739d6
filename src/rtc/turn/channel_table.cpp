#include "rtc/turn/channel_table.hpp"

namespace chatixia::rtc::turn {

Channel* ChannelTable::find(const Endpoint& peer) {
  const auto found = channels_.find(peer);
  return found == channels_.end() ? nullptr : &found->second;
}

std::uint16_t ChannelTable::number_of(const Endpoint& peer) const {
  const auto found = channels_.find(peer);
  return found == channels_.end() ? std::uint16_t{0} : found->second.number;
}

const Endpoint* ChannelTable::find_peer(std::uint16_t number) const {
  const auto found = peers_.find(number);
  return found == peers_.end() ? nullptr : &found->second;
}

Channel* ChannelTable::find_or_add(const Endpoint& peer) {
  if (Channel* const known = find(peer)) return known;
  if (channels_.size() >= capacity) return nullptr;
  return &channels_[peer];
}

void ChannelTable::assign_number(const Endpoint& peer, Channel& channel) {
  if (channel.number != 0) return;
  // Ends, because the table holds fewer peers than there are numbers.
  while (peers_.contains(next_)) next_ = next_ == channel_last ? channel_first : next_ + 1;
  channel.number = next_;
  peers_[next_] = peer;
  next_ = next_ == channel_last ? channel_first : next_ + 1;
}

void ChannelTable::remove(const Endpoint& peer) {
  const auto found = channels_.find(peer);
  if (found == channels_.end()) return;
  peers_.erase(found->second.number);
  channels_.erase(found);
}

void ChannelTable::clear() {
  channels_.clear();
  peers_.clear();
}

}  // namespace chatixia::rtc::turn
