#include "rtc/sctp/usrsctp_association.hpp"

#include <algorithm>
#include <cstddef>

#include <usrsctp.h>

#include "base/assert.hpp"
#include "rtc/sctp/crc32c.hpp"

namespace chatixia::rtc::sctp {

namespace {

using namespace std::chrono_literals;

// While there is traffic: half of the delayed SACK's 20 ms.
constexpr Duration busy_tick = 10ms;
// Without traffic, for timers that are in no hurry.
constexpr Duration idle_tick = 1s;

// A message that fills a packet gains nothing from waiting for others.
bool worth_bundling(Bytes bytes, const Association::Options& options) {
  return bytes.size() < options.packet_bytes_max / 2;
}

}  // namespace

std::unique_ptr<Association> Association::make(Options options, Instant now) {
  return std::make_unique<UsrsctpAssociation>(options, now);
}

UsrsctpAssociation::UsrsctpAssociation(Options options, Instant now)
    : options_(options),
      engine_(Engine::instance()),
      registration_(engine_, mailbox_),
      socket_(registration_.address(), options_),
      last_traffic_(now) {
  engine_.advance(now);
}

void UsrsctpAssociation::connect(Instant now) {
  expects(phase_ == Phase::idle);
  engine_.advance(now);
  last_traffic_ = now;
  phase_ = Phase::connecting;
  if (!socket_.connect(options_.local_port, options_.remote_port))
    end(Failed{make_error_code(Errc::internal)});
}

Result<void> UsrsctpAssociation::send(Instant now, StreamId stream, std::uint32_t ppid, Bytes bytes,
                                      const SendOptions& options) {
  expects(!bytes.empty());
  if (phase_ != Phase::connected) return fail(Errc::not_connected);
  if (bytes.size() > options_.message_bytes_max) return fail(Errc::message_too_large);
  if (stream >= streams_out_) return fail(Errc::no_such_stream);
  const auto fits = [&] {
    return queue_.bytes() + in_usrsctp_max_ + bytes.size() <= options_.send_buffer_bytes_max;
  };
  if (!fits()) in_usrsctp_max_ = socket_.buffered_bytes();
  if (!fits() && buffered_bytes() > 0) {
    refused_ = true;
    return fail(Errc::send_buffer_full);
  }
  engine_.advance(now);
  last_traffic_ = now;
  QueuedMessage message{.stream = stream, .ppid = ppid, .options = options};
  if (options.lifetime_max) message.expires = now + *options.lifetime_max;
  if (queue_.empty() && !worth_bundling(bytes, options_) &&
      socket_.send(stream, ppid, bytes, options) == SendOutcome::taken) {
    in_usrsctp_max_ += bytes.size();
    return {};
  }
  message.bytes.assign(bytes.begin(), bytes.end());
  queue_.push(std::move(message));
  flush_due_ = true;
  return {};
}

void UsrsctpAssociation::reset_streams(Instant now, std::span<const StreamId> streams) {
  if (phase_ != Phase::connected || streams.empty()) return;
  engine_.advance(now);
  last_traffic_ = now;
  queue_.push(QueuedReset{{streams.begin(), streams.end()}});
  flush_due_ = true;
}

void UsrsctpAssociation::shutdown(Instant now) {
  if (phase_ != Phase::connected) return;
  engine_.advance(now);
  last_traffic_ = now;
  phase_ = Phase::shutting_down;
  queue_.push(QueuedShutdown{});
  flush_due_ = true;
}

void UsrsctpAssociation::abort(Instant now) {
  if (phase_ == Phase::closed) return;
  engine_.advance(now);
  phase_ = Phase::closed;
  queue_.clear();
  events_.clear();
  socket_.abort();
}

void UsrsctpAssociation::set_packet_bytes_max(Instant now, std::size_t bytes) {
  if (phase_ == Phase::closed) return;
  engine_.advance(now);
  options_.packet_bytes_max = bytes;
  socket_.set_packet_bytes_max(bytes);
}

void UsrsctpAssociation::handle_packet(Instant now, Bytes packet) {
  if (phase_ == Phase::closed || phase_ == Phase::idle) return;
  engine_.advance(now);
  read(Errc::peer_unreachable);
  // RFC 9260, section 6.8. Nobody negotiated RFC 9653, so a checksum of zero is a wrong one.
  if (phase_ == Phase::closed || !has_right_checksum(packet)) return;
  last_traffic_ = now;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): usrsctp's address is a number of ours
  usrsctp_conninput(reinterpret_cast<void*>(registration_.address()), packet.data(), packet.size(),
                    0);
  flush_due_ = !queue_.empty();
  read(Errc::aborted_by_peer);
  tell_if_writable();
}

void UsrsctpAssociation::handle_timeout(Instant now) {
  if (phase_ == Phase::closed || phase_ == Phase::idle) return;
  engine_.advance(now);
  flush_due_ = !queue_.empty();
  read(Errc::peer_unreachable);
  tell_if_writable();
}

Instant UsrsctpAssociation::next_timeout() const {
  // Another association's call may have run our timers: what came of it is due now.
  if (!mailbox_.packets.empty() || !events_.empty()) return engine_.now();
  if (phase_ == Phase::closed || phase_ == Phase::idle) return never;
  if (mailbox_.readable || flush_due_) return engine_.now();
  // Nothing is buffered while INIT or SHUTDOWN is repeated.
  const bool busy = phase_ != Phase::connected || engine_.now() - last_traffic_ < idle_tick ||
                    buffered_bytes() > 0;
  return engine_.next_tick(busy ? busy_tick : idle_tick);
}

std::optional<Buffer> UsrsctpAssociation::poll_packet() {
  if (flush_due_) flush();
  if (mailbox_.packets.empty()) return std::nullopt;
  Buffer packet = std::move(mailbox_.packets.front());
  mailbox_.packets.pop_front();
  return packet;
}

std::optional<Association::Event> UsrsctpAssociation::poll_event() {
  if (events_.empty() && mailbox_.readable) read(Errc::peer_unreachable);
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::size_t UsrsctpAssociation::buffered_bytes() const {
  in_usrsctp_max_ = socket_.buffered_bytes();
  return queue_.bytes() + in_usrsctp_max_;
}

// What one turn of the caller's loop queued goes out together: all but the last message wait for
// each other in usrsctp (Nagle's rule), and the last one pushes them out.
void UsrsctpAssociation::flush() {
  flush_due_ = false;
  const bool bundle = queue_.size() > 1;
  if (bundle) socket_.set_bundling(true);
  bool room = true;
  while (room && !queue_.empty()) {
    if (bundle && queue_.size() == 1) socket_.set_bundling(false);
    room = hand_over(queue_.front());
    if (room) queue_.pop();
  }
  if (bundle && !room) socket_.set_bundling(false);
}

bool UsrsctpAssociation::hand_over(const Queued& queued) {
  if (const auto* reset = std::get_if<QueuedReset>(&queued)) {
    socket_.reset_streams(reset->streams);
    return true;
  }
  const auto* message = std::get_if<QueuedMessage>(&queued);
  if (message == nullptr) {
    socket_.shutdown();
    return true;
  }
  SendOptions options = message->options;
  if (message->expires) {
    const Duration left = *message->expires - engine_.now();
    if (left < 0ms) return true;
    options.lifetime_max = std::chrono::floor<std::chrono::milliseconds>(left);
  }
  const auto outcome = socket_.send(message->stream, message->ppid, message->bytes, options);
  if (outcome == SendOutcome::taken) in_usrsctp_max_ += message->bytes.size();
  // An association that is gone says so in a notification.
  return outcome != SendOutcome::no_room;
}

void UsrsctpAssociation::read(Errc cause) {
  while (mailbox_.readable && phase_ != Phase::closed) {
    mailbox_.readable = false;
    while (phase_ != Phase::closed) {
      const auto info = socket_.receive(engine_.scratch());
      if (!info) break;
      const Bytes bytes = engine_.scratch().first(info->size);
      if (info->notification)
        on_notification(*reinterpret_cast<const sctp_notification*>(bytes.data()), bytes.size(),
                        cause);
      else
        on_data(*info, bytes);
    }
  }
}

void UsrsctpAssociation::on_notification(const sctp_notification& notification, std::size_t size,
                                         Errc cause) {
  switch (notification.sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE:
      on_association_change(notification.sn_assoc_change, cause);
      break;
    case SCTP_SHUTDOWN_EVENT:
      if (phase_ == Phase::connected) phase_ = Phase::shutting_down;
      break;
    case SCTP_STREAM_RESET_EVENT:
      on_streams_reset(notification.sn_strreset_event, size);
      break;
    case SCTP_PARTIAL_DELIVERY_EVENT:
      partial_.reset();  // the peer gave up the rest of a message: RFC 3758
      break;
    default:
      break;
  }
}

void UsrsctpAssociation::on_association_change(const sctp_assoc_change& change, Errc cause) {
  switch (change.sac_state) {
    case SCTP_COMM_UP:
      phase_ = Phase::connected;
      streams_out_ = change.sac_outbound_streams;
      events_.push_back(Connected{});
      break;
    case SCTP_SHUTDOWN_COMP:
      end(Closed{});
      break;
    default:  // lost, never established, or restarted by the peer, which DTLS makes impossible
      end(Failed{make_error_code(cause)});
      break;
  }
}

void UsrsctpAssociation::on_streams_reset(const sctp_stream_reset_event& event, std::size_t size) {
  constexpr std::size_t header = offsetof(sctp_stream_reset_event, strreset_stream_list);
  const std::size_t count = (std::max(size, header) - header) / sizeof(std::uint16_t);
  std::vector<StreamId> streams(event.strreset_stream_list, event.strreset_stream_list + count);
  if ((event.strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0) {
    events_.push_back(StreamsReset{std::move(streams)});
  } else if ((event.strreset_flags & SCTP_STREAM_RESET_OUTGOING_SSN) != 0) {
    // Denied or not, nothing more will be tried.
    flush_due_ = !queue_.empty();
    events_.push_back(ResetCompleted{std::move(streams)});
  }
}

void UsrsctpAssociation::on_data(const ReceivedInfo& info, Bytes bytes) {
  if (!partial_) partial_ = Message{.stream = info.stream, .ppid = info.ppid};
  if (partial_->bytes.size() + bytes.size() > options_.message_bytes_max) {
    end(Failed{make_error_code(Errc::message_too_large)});
    return;
  }
  partial_->bytes.insert(partial_->bytes.end(), bytes.begin(), bytes.end());
  if (!info.complete) return;
  events_.push_back(std::move(*partial_));
  partial_.reset();
}

void UsrsctpAssociation::tell_if_writable() {
  if (!refused_ || phase_ != Phase::connected) return;
  if (buffered_bytes() >= options_.send_buffer_bytes_max / 2) return;
  refused_ = false;
  events_.push_back(Writable{});
}

void UsrsctpAssociation::end(Event event) {
  phase_ = Phase::closed;
  queue_.clear();
  flush_due_ = false;
  socket_.abort();
  events_.push_back(std::move(event));
}

}  // namespace chatixia::rtc::sctp
