#pragma once

#include <deque>
#include <optional>
#include <string>

#include "rtc/sctp/association.hpp"
#include "rtc/sctp/engine.hpp"
#include "rtc/sctp/send_queue.hpp"
#include "rtc/sctp/usrsctp_socket.hpp"

union sctp_notification;
struct sctp_assoc_change;
struct sctp_stream_reset_event;

namespace chatixia::rtc::sctp {

// An association that usrsctp runs.
class UsrsctpAssociation final : public Association {
 public:
  UsrsctpAssociation(Options options, Instant now);
  UsrsctpAssociation(const UsrsctpAssociation&) = delete;
  UsrsctpAssociation& operator=(const UsrsctpAssociation&) = delete;

  void connect(Instant now) override;
  Result<void> send(Instant now, StreamId stream, std::uint32_t ppid, Bytes bytes,
                    const SendOptions& options) override;
  void reset_streams(Instant now, std::span<const StreamId> streams) override;
  void shutdown(Instant now) override;
  void abort(Instant now) override;
  void set_packet_bytes_max(Instant now, std::size_t bytes) override;

  void handle_packet(Instant now, Bytes packet) override;
  void handle_timeout(Instant now) override;
  Instant next_timeout() const override;
  std::optional<Buffer> poll_packet() override;
  std::optional<Event> poll_event() override;

  std::size_t buffered_bytes() const override;

 private:
  enum class Phase { idle, connecting, connected, shutting_down, closed };

  // Hands over what the send queue holds as far as usrsctp takes it.
  void flush();
  // False when usrsctp has no room now.
  bool hand_over(const Queued& queued);
  // Reads what usrsctp has; `cause` is told if the association turns out to be lost.
  void read(Errc cause);
  void on_notification(const union sctp_notification& notification, std::size_t size, Errc cause);
  void on_association_change(const struct sctp_assoc_change& change, Errc cause);
  void on_streams_reset(const struct sctp_stream_reset_event& event, std::size_t size);
  void on_data(const ReceivedInfo& info, Bytes bytes);
  void tell_if_writable();
  void end(Event event);

  Options options_;
  Engine& engine_;
  Mailbox mailbox_;
  Engine::Registration registration_;
  UsrsctpHandle socket_;  // after the registration, so that it closes while it is known
  Phase phase_ = Phase::idle;
  std::uint16_t streams_out_ = 0;

  SendQueue queue_;
  bool flush_due_ = false;
  // A bound from above on what usrsctp holds, so that most sends need not ask it.
  mutable std::size_t in_usrsctp_max_ = 0;
  bool refused_ = false;

  std::optional<Message> partial_;
  std::deque<Event> events_;
  Instant last_traffic_;
};

}  // namespace chatixia::rtc::sctp
