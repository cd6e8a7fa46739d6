#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/datagram.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "crypto/certificate.hpp"
#include "rtc/datachannel/channel.hpp"
#include "rtc/ice/agent.hpp"
#include "rtc/ice/candidate.hpp"

namespace chatixia::rtc::peer {

using datachannel::ChannelId;  // the stream id
using datachannel::ChannelOptions;
using datachannel::MessageKind;

// When each phase of a connection was reached; unset means not yet.
struct Timeline {
  Instant created;
  std::optional<Instant> remote_description;  // signaling done
  std::optional<Instant> path_found;          // ICE: first authenticated path
  std::optional<Instant> ice_selected;        // ICE: nominated
  std::optional<Instant> dtls_connected;
  std::optional<Instant> sctp_connected;
  std::optional<Instant> channel_open;  // the first channel
};

// One WebRTC peer connection that carries data channels: joins ICE, DTLS, SCTP and DCEP.
// Sans-I/O: one input, then drain poll_transmit() and poll_event(), then re-arm next_timeout().
class PeerConnection {
 public:
  struct Options {
    // Shared by all connections of a node; must outlive them.
    const crypto::Certificate* certificate = nullptr;
    std::size_t message_bytes_max = limits::message_bytes_max;
    std::size_t send_buffer_bytes_max = limits::send_buffer_bytes_max;
    // The largest UDP payload to send before a larger one is proved.
    std::size_t datagram_bytes_max = 1200;
    ice::Agent::Options ice;  // the role is set by who offers
  };

  struct ChannelOpened {
    ChannelId channel;
    ChannelOptions options;
    bool incoming = false;
  };
  struct MessageReceived {
    ChannelId channel;
    MessageKind kind;
    Buffer bytes;
  };
  struct Writable {
    ChannelId channel;
  };  // after a send was refused with send_buffer_full
  struct ChannelClosed {
    ChannelId channel;
  };
  struct PathChanged {
    ice::Path path;
  };
  struct Closed {};  // the peer closed the connection
  struct Failed {
    std::string reason;
  };  // nothing more will come
  using Event = std::variant<ChannelOpened, MessageReceived, Writable, ChannelClosed, PathChanged,
                             Closed, Failed>;

  PeerConnection(Options options, RandomSource& random, Instant now);
  ~PeerConnection();
  PeerConnection(PeerConnection&&) noexcept;
  PeerConnection& operator=(PeerConnection&&) noexcept;

  // Offer and answer, RFC 8829 and RFC 8841, for one data m-line. The offerer is controlling and
  // offers setup:actpass; the answerer takes active. Candidates added before appear in the text.
  std::string create_offer(Instant now);
  Result<void> set_answer(Instant now, std::string_view sdp);
  // Also takes a later offer with new ICE credentials (restart) on the same session.
  Result<std::string> accept_offer(Instant now, std::string_view sdp);
  // An offer with new ICE credentials; DTLS and SCTP go on.
  std::string restart_ice(Instant now);

  void add_local_candidate(Instant now, const ice::Candidate& candidate);
  // A path that begins at a host or relayed candidate that is gone is left at once.
  void remove_local_candidate(Instant now, const ice::Candidate& candidate);
  void end_of_local_candidates(Instant now);
  // The "candidate:..." line of a trickled candidate; empty text ends them. Candidates of a kind
  // we do not support are skipped without error. At most limits::candidates_max are kept.
  Result<void> add_remote_candidate(Instant now, std::string_view line);

  // May be called before the connection is up. DTLS clients use even ids, servers odd ones
  // (RFC 8832, section 6), so an id is only assigned when the role is known: the handle returned
  // in ChannelOpened is the one to send on. Refused with no_such_stream when there are too many
  // channels, message_too_large when the label is longer than datachannel::name_bytes_max.
  Result<void> open_channel(Instant now, ChannelOptions options);
  // Refused with sctp::Errc::not_connected, message_too_large, send_buffer_full, no_such_stream.
  Result<void> send(Instant now, ChannelId channel, MessageKind kind, Bytes message);
  void close_channel(Instant now, ChannelId channel);
  std::size_t buffered_bytes() const;

  // Says goodbye to the peer (stream resets, SCTP abort, close_notify); drain once more, then
  // destroy.
  void close(Instant now);

  // Feeds a datagram that belongs to this connection: STUN, or DTLS from an authenticated pair
  // (RFC 7983). Anything else is counted and dropped.
  void handle_datagram(Instant now, const Datagram& datagram);
  void handle_timeout(Instant now);
  Instant next_timeout() const;
  std::optional<Transmit> poll_transmit();
  std::optional<Event> poll_event();

  const std::string& local_ufrag() const;
  // The offerer's name for the m-line, which candidates carry.
  const std::string& mid() const;
  // Whether an authenticated check has used this pair of addresses.
  bool is_authenticated(const Endpoint& local, const Endpoint& remote) const;
  // Whether the STUN message answers a check of ours.
  bool is_answer(Bytes message) const;
  // Whether a check of ours on this pair of addresses was answered.
  bool is_proved(const Endpoint& local, const Endpoint& remote) const;
  bool is_closed() const;
  const Timeline& timeline() const;
  std::optional<ice::Path> path() const;
  std::optional<Duration> rtt() const;
  const std::deque<ice::CheckRecord>& checks() const;
  std::uint64_t dropped_datagrams() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace chatixia::rtc::peer
