#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace chatixia::rtc::sctp {

using StreamId = std::uint16_t;

enum class Errc {
  not_connected = 1,
  message_too_large,
  send_buffer_full,
  no_such_stream,
  aborted_by_peer,
  peer_unreachable,
  internal,
};
const std::error_category& category();
inline std::error_code make_error_code(Errc error) {
  return {static_cast<int>(error), category()};
}

// Partial reliability, RFC 3758 and RFC 7496; at most one of the two limits is set.
struct SendOptions {
  bool unordered = false;
  std::optional<std::uint16_t> retransmissions_max;
  std::optional<std::chrono::milliseconds> lifetime_max;
};

struct Message {
  StreamId stream = 0;
  std::uint32_t ppid = 0;
  Buffer bytes;
};

// One SCTP association over a datagram service (RFC 9260, RFC 8261), made by both sides at once
// (RFC 8831, section 6.1: simultaneous open). Interface first: another implementation may follow.
class Association {
 public:
  struct Options {
    std::uint16_t local_port = 5000;
    std::uint16_t remote_port = 5000;
    // The largest packet to produce, in bytes.
    std::size_t packet_bytes_max = 1200 - 37;
    std::size_t message_bytes_max = 256 * 1024;
    std::size_t send_buffer_bytes_max = 4 * 1024 * 1024;
    std::size_t receive_window_bytes = 1024 * 1024;
    // Announced in each direction. usrsctp allocates about 100 bytes for each of them at once.
    std::uint16_t streams = 128;
  };

  struct Connected {};
  struct StreamsReset {
    std::vector<StreamId> streams;
  };  // the peer reset its outgoing streams
  struct ResetCompleted {
    std::vector<StreamId> streams;
  };  // ours reached the peer: ids are free
  struct Writable {};  // the buffer fell below half after a send was refused
  struct Closed {};    // orderly shutdown by the peer
  struct Failed {
    std::error_code code;
  };
  using Event =
      std::variant<Connected, Message, StreamsReset, ResetCompleted, Writable, Closed, Failed>;

  static std::unique_ptr<Association> make(Options options, Instant now);
  virtual ~Association() = default;

  virtual void connect(Instant now) = 0;
  // All or nothing: the message is queued whole, or refused with not_connected,
  // message_too_large, send_buffer_full or no_such_stream. An empty message is the caller's
  // affair (RFC 8831, section 6.6); SCTP has none.
  virtual Result<void> send(Instant now, StreamId stream, std::uint32_t ppid, Bytes bytes,
                            const SendOptions& options) = 0;
  // RFC 6525 outgoing reset, after what is queued on these streams.
  virtual void reset_streams(Instant now, std::span<const StreamId> streams) = 0;
  // Sends what is queued, then SHUTDOWN; abort() sends ABORT at once.
  virtual void shutdown(Instant now) = 0;
  virtual void abort(Instant now) = 0;
  // A change of path MTU found by the layer below.
  virtual void set_packet_bytes_max(Instant now, std::size_t bytes) = 0;

  virtual void handle_packet(Instant now, Bytes packet) = 0;
  virtual void handle_timeout(Instant now) = 0;
  virtual Instant next_timeout() const = 0;
  virtual std::optional<Buffer> poll_packet() = 0;
  virtual std::optional<Event> poll_event() = 0;

  // Queued and not yet acknowledged.
  virtual std::size_t buffered_bytes() const = 0;
};

}  // namespace chatixia::rtc::sctp

template <>
struct std::is_error_code_enum<chatixia::rtc::sctp::Errc> : std::true_type {};
