#pragma once

#include <unordered_map>
#include <vector>

#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "rtc/turn/channel_data.hpp"

namespace chatixia::rtc::turn {

// A peer that gets steady traffic, and the channel number that stands for it.
struct Channel {
  enum class State { unbound, binding, bound, refused };

  State state = State::unbound;
  std::uint16_t number = 0;
  std::uint32_t datagrams = 0;  // sent before the channel was bound
  Instant bound_at{};
  Instant used_at{};
};

// Channels by peer and by number. A number is not given to another peer while the server may
// still remember the old one: RFC 8656, section 12.
class ChannelTable {
 public:
  static constexpr std::size_t capacity = 1024;

  Channel* find(const Endpoint& peer);
  // Zero when the peer has none.
  std::uint16_t number_of(const Endpoint& peer) const;
  const Endpoint* find_peer(std::uint16_t number) const;
  // Null when the table is full.
  Channel* find_or_add(const Endpoint& peer);
  void assign_number(const Endpoint& peer, Channel& channel);
  // Forgets a peer; its number rests.
  void remove(const Endpoint& peer);
  void clear();

  std::unordered_map<Endpoint, Channel>& channels() { return channels_; }

 private:
  std::unordered_map<Endpoint, Channel> channels_;
  std::unordered_map<std::uint16_t, Endpoint> peers_;
  // Numbers go round all 4096 before one comes again, which takes longer than any server's memory
  // of a binding unless hundreds are bound every minute.
  std::uint16_t next_ = channel_first;
};

}  // namespace chatixia::rtc::turn
