#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "rtc/datachannel/channel.hpp"
#include "rtc/sctp/association.hpp"

namespace chatixia::rtc::datachannel {

// The channels of one association: opening, closing, and what each message is (RFC 8831 and
// RFC 8832). It calls no association; it says what to do with one.
class ChannelTable {
 public:
  struct Options {
    // DTLS clients take even ids, servers odd ones: RFC 8832, section 6.
    bool even_ids = true;
    // Ids end below this: the streams that the association has.
    std::uint16_t ids_end = 128;
    std::size_t channels_max = 128;
  };

  // What the association is to do, in order.
  struct Send {
    ChannelId channel = 0;
    std::uint32_t ppid = 0;
    Buffer bytes;
  };
  struct Reset {
    ChannelId channel = 0;
  };
  using Command = std::variant<Send, Reset>;

  struct Opened {
    ChannelId channel = 0;
    ChannelOptions options;
    bool incoming = false;
  };
  struct MessageReceived {
    ChannelId channel = 0;
    MessageKind kind = MessageKind::binary;
    Buffer bytes;
  };
  struct Closed {
    ChannelId channel = 0;
  };
  using Event = std::variant<Opened, MessageReceived, Closed>;

  // How to send one message of a channel; `bytes` is a view of the message or of a constant.
  struct Outgoing {
    std::uint32_t ppid = 0;
    Bytes bytes;
    sctp::SendOptions options;
  };

  explicit ChannelTable(Options options) : options_(options) {}

  // The id of the new channel, which is open when Opened says so; no_such_stream when there is no
  // room for another.
  Result<ChannelId> open(ChannelOptions options);
  // no_such_stream for a channel that is not there or closing, not_connected for one not open yet.
  Result<Outgoing> prepare(ChannelId channel, MessageKind kind, Bytes message) const;
  // Closed follows when the peer has agreed.
  void close(ChannelId channel);

  void handle_message(sctp::Message message);
  // The peer reset these streams of its own, or all of them if the list is empty.
  void handle_streams_reset(std::span<const sctp::StreamId> streams);
  // Our reset of these is over.
  void handle_reset_completed(std::span<const sctp::StreamId> streams);

  std::optional<Command> poll_command();
  std::optional<Event> poll_event();

  std::size_t size() const { return channels_.size(); }
  // Messages that belonged to no channel or made no sense.
  std::uint64_t dropped_messages() const { return dropped_messages_; }

 private:
  enum class Phase {
    opening,  // our OPEN is on its way
    open,
    closing,    // we reset our stream first
    lingering,  // the peer has reset its stream, ours is not yet acknowledged
  };
  struct Channel {
    ChannelOptions options;
    Phase phase = Phase::opening;
    bool reset_completed = false;  // ours
  };

  void on_open(ChannelId id, Bytes bytes);
  void on_ack(ChannelId id);
  void on_data(ChannelId id, MessageKind kind, Buffer bytes);
  void on_peer_reset(ChannelId id, Channel& channel);
  void refuse(ChannelId id);

  Options options_;
  std::map<ChannelId, Channel> channels_;
  std::deque<Command> commands_;
  std::deque<Event> events_;
  std::uint64_t dropped_messages_ = 0;
};

}  // namespace chatixia::rtc::datachannel
