#include "rtc/datachannel/channel_table.hpp"

#include <array>
#include <utility>
#include <vector>

#include "rtc/datachannel/dcep.hpp"

namespace chatixia::rtc::datachannel {

namespace {

// Payload protocol identifiers: RFC 8831, section 8. The two for partial messages (52, 54) are
// deprecated and not understood.
namespace ppid {
constexpr std::uint32_t dcep = 50;
constexpr std::uint32_t text = 51;
constexpr std::uint32_t binary = 53;
constexpr std::uint32_t empty_text = 56;
constexpr std::uint32_t empty_binary = 57;
}  // namespace ppid

// SCTP has no empty messages; one byte stands for nothing: RFC 8831, section 6.6.
constexpr std::array<std::uint8_t, 1> nothing{0};

}  // namespace

Result<ChannelId> ChannelTable::open(ChannelOptions options) {
  if (options.label.size() > name_bytes_max || options.protocol.size() > name_bytes_max)
    return fail(sctp::Errc::message_too_large, "the channel's label");
  if (channels_.size() >= options_.channels_max)
    return fail(sctp::Errc::no_such_stream, "too many channels");
  for (std::uint32_t id = options_.even_ids ? 0 : 1; id < options_.ids_end; id += 2) {
    const auto channel = static_cast<ChannelId>(id);
    if (channels_.contains(channel)) continue;
    commands_.push_back(Send{channel, ppid::dcep, encode_open(options)});
    channels_.emplace(channel, Channel{.options = std::move(options)});
    return channel;
  }
  return fail(sctp::Errc::no_such_stream, "no stream is free");
}

Result<ChannelTable::Outgoing> ChannelTable::prepare(ChannelId id, MessageKind kind,
                                                     Bytes message) const {
  const auto found = channels_.find(id);
  if (found == channels_.end()) return fail(sctp::Errc::no_such_stream);
  const Channel& channel = found->second;
  if (channel.phase == Phase::opening) return fail(sctp::Errc::not_connected);
  if (channel.phase != Phase::open) return fail(sctp::Errc::no_such_stream);
  const bool text = kind == MessageKind::text;
  Outgoing outgoing;
  outgoing.options.unordered = !channel.options.ordered;
  outgoing.options.retransmissions_max = channel.options.retransmissions_max;
  outgoing.options.lifetime_max = channel.options.lifetime_max;
  if (message.empty()) {
    outgoing.ppid = text ? ppid::empty_text : ppid::empty_binary;
    outgoing.bytes = nothing;
  } else {
    outgoing.ppid = text ? ppid::text : ppid::binary;
    outgoing.bytes = message;
  }
  return outgoing;
}

void ChannelTable::close(ChannelId id) {
  const auto found = channels_.find(id);
  if (found == channels_.end()) return;
  Channel& channel = found->second;
  if (channel.phase != Phase::opening && channel.phase != Phase::open) return;
  channel.phase = Phase::closing;
  commands_.push_back(Reset{id});
}

void ChannelTable::handle_message(sctp::Message message) {
  switch (message.ppid) {
    case ppid::dcep:
      if (is_ack(message.bytes))
        on_ack(message.stream);
      else
        on_open(message.stream, message.bytes);
      break;
    case ppid::text:
      on_data(message.stream, MessageKind::text, std::move(message.bytes));
      break;
    case ppid::binary:
      on_data(message.stream, MessageKind::binary, std::move(message.bytes));
      break;
    case ppid::empty_text:
      on_data(message.stream, MessageKind::text, {});
      break;
    case ppid::empty_binary:
      on_data(message.stream, MessageKind::binary, {});
      break;
    default:
      ++dropped_messages_;
      break;
  }
}

void ChannelTable::on_open(ChannelId id, Bytes bytes) {
  auto options = parse_open(bytes);
  const auto found = channels_.find(id);
  const bool known = found != channels_.end();
  // The peer may take an id again before it is acknowledged that ours is reset.
  if (known && found->second.phase != Phase::lingering) {
    ++dropped_messages_;
    return;
  }
  const bool peers_id = (id % 2 == 0) != options_.even_ids;
  if (!options || !peers_id || (!known && channels_.size() >= options_.channels_max)) {
    refuse(id);
    return;
  }
  channels_.insert_or_assign(id, Channel{.options = *options, .phase = Phase::open});
  commands_.push_back(Send{id, ppid::dcep, Buffer(ack_message.begin(), ack_message.end())});
  events_.push_back(Opened{id, std::move(*options), true});
}

// RFC 8832, section 6: an OPEN that cannot be had is answered by resetting the stream.
void ChannelTable::refuse(ChannelId id) {
  ++dropped_messages_;
  commands_.push_back(Reset{id});
}

void ChannelTable::on_ack(ChannelId id) {
  const auto found = channels_.find(id);
  if (found == channels_.end() || found->second.phase != Phase::opening) {
    ++dropped_messages_;
    return;
  }
  found->second.phase = Phase::open;
  events_.push_back(Opened{id, found->second.options, false});
}

void ChannelTable::on_data(ChannelId id, MessageKind kind, Buffer bytes) {
  const auto found = channels_.find(id);
  if (found == channels_.end() || found->second.phase == Phase::lingering) {
    ++dropped_messages_;
    return;
  }
  // Unordered data may overtake the ACK, and says the same: RFC 8832, section 6.
  if (found->second.phase == Phase::opening) on_ack(id);
  if (found->second.phase == Phase::open)
    events_.push_back(MessageReceived{id, kind, std::move(bytes)});
}

void ChannelTable::handle_streams_reset(std::span<const sctp::StreamId> streams) {
  std::vector<ChannelId> all;
  if (streams.empty()) {
    for (const auto& [id, channel] : channels_) all.push_back(id);
    streams = all;
  }
  for (const ChannelId id : streams) {
    const auto found = channels_.find(id);
    if (found != channels_.end()) on_peer_reset(id, found->second);
  }
}

void ChannelTable::on_peer_reset(ChannelId id, Channel& channel) {
  if (channel.phase == Phase::lingering) return;
  if (channel.phase != Phase::closing) commands_.push_back(Reset{id});
  events_.push_back(Closed{id});
  if (channel.reset_completed)
    channels_.erase(id);
  else
    channel.phase = Phase::lingering;
}

void ChannelTable::handle_reset_completed(std::span<const sctp::StreamId> streams) {
  for (const ChannelId id : streams) {
    const auto found = channels_.find(id);
    if (found == channels_.end()) continue;
    if (found->second.phase == Phase::closing) found->second.reset_completed = true;
    if (found->second.phase == Phase::lingering) channels_.erase(found);
  }
}

std::optional<ChannelTable::Command> ChannelTable::poll_command() {
  if (commands_.empty()) return std::nullopt;
  Command command = std::move(commands_.front());
  commands_.pop_front();
  return command;
}

std::optional<ChannelTable::Event> ChannelTable::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace chatixia::rtc::datachannel
