#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rtc/peer/data_transport.hpp"
#include "rtc/peer/peer_connection.hpp"
#include "rtc/sdp/session_description.hpp"

namespace chatixia::rtc::peer {

// What a peer connection is made of. negotiation.cpp holds what offers and answers do to it,
// peer_connection.cpp the rest.
struct PeerConnection::State {
  // What the peer's description said, as far as the session depends on it.
  struct Remote {
    ice::Credentials credentials;
    crypto::Fingerprint fingerprint;
    sdp::Setup setup = sdp::Setup::actpass;
    std::uint16_t sctp_port = 0;
    std::uint64_t message_bytes_max = 0;
  };

  State(Options options, RandomSource& random, Instant now);

  // negotiation.cpp
  std::string describe(sdp::Setup setup);
  Result<std::string> accept_offer(Instant now, std::string_view text);
  Result<void> set_answer(Instant now, std::string_view text);
  Result<Remote> read_description(const sdp::SessionDescription& description) const;
  // Takes over the peer's side; what the session is built on must not have changed.
  Result<void> check_unchanged(const Remote& next) const;
  void apply(Instant now, Remote next, const sdp::SessionDescription& description);
  Result<void> add_remote_candidate(Instant now, std::string_view line);
  std::string restart_ice(Instant now);

  void become_controlled(Instant now);

  // peer_connection.cpp
  void handle_early_dtls(Bytes datagram);
  void settle(Instant now);
  void on_ice_event(Instant now, ice::Agent::Event event);
  void start_transport(Instant now);
  void on_transport_event(Instant now, DataTransport::Event event);
  void open_pending_channels(Instant now);
  void end(Event event);

  Options options;
  RandomSource& random;
  ice::Agent ice;
  Timeline timeline;

  std::uint64_t session_id;
  std::uint64_t session_version = 0;
  std::string mid = "0";
  std::vector<ice::Candidate> local_candidates;
  bool local_candidates_ended = false;
  std::size_t remote_candidate_count = 0;
  std::optional<Remote> remote;
  std::optional<dtls::Role> role;

  std::optional<DataTransport> transport;
  // DTLS that came before there was a transport to take it.
  std::vector<Buffer> early_datagrams;
  std::deque<ChannelOptions> pending_channels;

  bool closed = false;
  std::uint64_t dropped_datagrams = 0;
  std::deque<Event> events;
};

}  // namespace chatixia::rtc::peer
