#include "rtc/peer/peer_connection.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "rtc/datachannel/dcep.hpp"
#include "rtc/peer/peer_connection_state.hpp"

namespace chatixia::rtc::peer {

namespace {

// The first flight of a DTLS client is one datagram, repeated now and then.
constexpr std::size_t early_datagrams_max = 8;

constexpr std::size_t channels_max = datachannel::ChannelTable::Options{}.channels_max;

enum class Protocol { stun, dtls, other };

// RFC 7983, section 7.
Protocol classify(Bytes datagram) {
  if (datagram.empty()) return Protocol::other;
  const std::uint8_t first = datagram[0];
  if (first <= 3) return Protocol::stun;
  return first >= 20 && first <= 63 ? Protocol::dtls : Protocol::other;
}

ice::Agent::Options with_role(ice::Agent::Options options, ice::Role role) {
  options.role = role;
  return options;
}

}  // namespace

PeerConnection::State::State(Options connection_options, RandomSource& source, Instant now)
    : options(connection_options),
      random(source),
      ice(with_role(options.ice, ice::Role::controlling), ice::Credentials::make(source), source,
          now),
      timeline{.created = now},
      // RFC 8829, section 5.2.1: the highest bit is zero.
      session_id(source.u64() >> 1) {
  expects(options.certificate != nullptr);
}

void PeerConnection::State::handle_early_dtls(Bytes datagram) {
  if (early_datagrams.size() < early_datagrams_max)
    early_datagrams.emplace_back(datagram.begin(), datagram.end());
  else
    ++dropped_datagrams;
}

// Ends every input: carries what it produced from ICE to DTLS and up to the events.
void PeerConnection::State::settle(Instant now) {
  while (auto event = ice.poll_event()) on_ice_event(now, std::move(*event));
  if (closed) return;
  if (!transport && remote && role && ice.route()) start_transport(now);
  if (!transport) return;
  while (auto event = transport->poll_event()) on_transport_event(now, std::move(*event));
}

void PeerConnection::State::on_ice_event(Instant now, ice::Agent::Event event) {
  if (closed) return;
  if (const auto* selected = std::get_if<ice::Agent::Selected>(&event)) {
    if (!timeline.ice_selected) timeline.ice_selected = now;
    events.push_back(PathChanged{selected->path});
  } else if (auto* failed = std::get_if<ice::Agent::Failed>(&event)) {
    end(Failed{std::move(failed->reason)});
  } else {
    const auto lifetime =
        std::chrono::duration_cast<std::chrono::seconds>(options.ice.consent_lifetime);
    end(Failed{"consent expired: no answer from the peer for " + std::to_string(lifetime.count()) +
               " s"});
  }
}

// DTLS starts on the first path that an authenticated check has used, long before ICE has chosen:
// the handshake and the choice run side by side.
void PeerConnection::State::start_transport(Instant now) {
  timeline.path_found = now;
  transport.emplace(DataTransport::Options{.role = *role,
                                           .datagram_bytes_max = options.datagram_bytes_max,
                                           .message_bytes_max = options.message_bytes_max,
                                           .peer_message_bytes_max = remote->message_bytes_max,
                                           .send_buffer_bytes_max = options.send_buffer_bytes_max,
                                           .peer_sctp_port = remote->sctp_port},
                    *options.certificate, remote->fingerprint, now);
  for (const Buffer& datagram : std::exchange(early_datagrams, {}))
    transport->handle_datagram(now, datagram);
}

void PeerConnection::State::on_transport_event(Instant now, DataTransport::Event event) {
  if (closed) return;
  using datachannel::ChannelTable;
  if (auto* message = std::get_if<ChannelTable::MessageReceived>(&event)) {
    events.push_back(MessageReceived{message->channel, message->kind, std::move(message->bytes)});
  } else if (std::holds_alternative<DataTransport::DtlsConnected>(event)) {
    timeline.dtls_connected = now;
  } else if (std::holds_alternative<DataTransport::SctpConnected>(event)) {
    timeline.sctp_connected = now;
    open_pending_channels(now);
  } else if (auto* opened = std::get_if<ChannelTable::Opened>(&event)) {
    if (!timeline.channel_open) timeline.channel_open = now;
    events.push_back(ChannelOpened{opened->channel, std::move(opened->options), opened->incoming});
  } else if (const auto* gone = std::get_if<ChannelTable::Closed>(&event)) {
    events.push_back(ChannelClosed{gone->channel});
  } else if (const auto* writable = std::get_if<DataTransport::Writable>(&event)) {
    events.push_back(Writable{writable->channel});
  } else if (auto* failed = std::get_if<DataTransport::Failed>(&event)) {
    end(Failed{std::move(failed->reason)});
  } else {
    end(Closed{});
  }
}

void PeerConnection::State::open_pending_channels(Instant now) {
  for (ChannelOptions& channel : std::exchange(pending_channels, {}))
    // Room was left for it when it was asked for.
    (void)transport->open_channel(now, std::move(channel));
}

void PeerConnection::State::end(Event event) {
  closed = true;
  events.push_back(std::move(event));
}

PeerConnection::PeerConnection(Options options, RandomSource& random, Instant now)
    : state_(std::make_unique<State>(options, random, now)) {}
PeerConnection::~PeerConnection() = default;
PeerConnection::PeerConnection(PeerConnection&&) noexcept = default;
PeerConnection& PeerConnection::operator=(PeerConnection&&) noexcept = default;

std::string PeerConnection::create_offer(Instant) {
  return state_->describe(sdp::Setup::actpass);
}

Result<void> PeerConnection::set_answer(Instant now, std::string_view sdp) {
  auto done = state_->set_answer(now, sdp);
  state_->settle(now);
  return done;
}

Result<std::string> PeerConnection::accept_offer(Instant now, std::string_view sdp) {
  auto answer = state_->accept_offer(now, sdp);
  state_->settle(now);
  return answer;
}

std::string PeerConnection::restart_ice(Instant now) {
  auto offer = state_->restart_ice(now);
  state_->settle(now);
  return offer;
}

void PeerConnection::add_local_candidate(Instant now, const ice::Candidate& candidate) {
  State& self = *state_;
  if (self.local_candidates.size() < limits::candidates_max)
    self.local_candidates.push_back(candidate);
  self.ice.add_local_candidate(now, candidate);
  self.settle(now);
}

void PeerConnection::remove_local_candidate(Instant now, const ice::Candidate& candidate) {
  State& self = *state_;
  std::erase_if(self.local_candidates, [&](const ice::Candidate& other) {
    return other.address == candidate.address && other.base == candidate.base;
  });
  // A reflexive address is the NAT's; its base may still be there.
  if (candidate.address == candidate.base) self.ice.remove_local_candidate(now, candidate.base);
  self.settle(now);
}

void PeerConnection::end_of_local_candidates(Instant now) {
  state_->local_candidates_ended = true;
  state_->ice.end_of_local_candidates(now);
  state_->settle(now);
}

Result<void> PeerConnection::add_remote_candidate(Instant now, std::string_view line) {
  auto added = state_->add_remote_candidate(now, line);
  state_->settle(now);
  return added;
}

Result<void> PeerConnection::open_channel(Instant now, ChannelOptions options) {
  State& self = *state_;
  if (self.closed) return fail(sctp::Errc::not_connected);
  if (options.label.size() > datachannel::name_bytes_max ||
      options.protocol.size() > datachannel::name_bytes_max)
    return fail(sctp::Errc::message_too_large, "the channel's label");
  if (self.timeline.sctp_connected) {
    auto opened = self.transport->open_channel(now, std::move(options));
    self.settle(now);
    return opened;
  }
  // Half of the ids are the peer's.
  if (self.pending_channels.size() >= channels_max / 2)
    return fail(sctp::Errc::no_such_stream, "too many channels");
  self.pending_channels.push_back(std::move(options));
  return {};
}

Result<void> PeerConnection::send(Instant now, ChannelId channel, MessageKind kind, Bytes message) {
  State& self = *state_;
  if (self.closed || !self.transport) return fail(sctp::Errc::not_connected);
  return self.transport->send(now, channel, kind, message);
}

void PeerConnection::close_channel(Instant now, ChannelId channel) {
  State& self = *state_;
  if (self.closed || !self.transport) return;
  self.transport->close_channel(now, channel);
  self.settle(now);
}

std::size_t PeerConnection::buffered_bytes() const {
  return state_->transport ? state_->transport->buffered_bytes() : 0;
}

void PeerConnection::close(Instant now) {
  State& self = *state_;
  self.closed = true;
  self.events.clear();
  if (self.transport) self.transport->close(now);
}

void PeerConnection::handle_datagram(Instant now, const Datagram& datagram) {
  State& self = *state_;
  if (self.closed) return;
  switch (classify(datagram.bytes)) {
    case Protocol::stun:
      self.ice.handle_stun(now, datagram);
      break;
    case Protocol::dtls:
      if (!self.ice.is_authenticated(datagram.local, datagram.remote))
        ++self.dropped_datagrams;
      else if (self.transport)
        self.transport->handle_datagram(now, datagram.bytes);
      else
        self.handle_early_dtls(datagram.bytes);
      break;
    case Protocol::other:
      ++self.dropped_datagrams;
      break;
  }
  self.settle(now);
}

void PeerConnection::handle_timeout(Instant now) {
  State& self = *state_;
  if (self.closed) return;
  self.ice.handle_timeout(now);
  if (self.transport) self.transport->handle_timeout(now);
  self.settle(now);
}

Instant PeerConnection::next_timeout() const {
  const State& self = *state_;
  if (self.closed) return never;
  return std::min(self.ice.next_timeout(), self.transport ? self.transport->next_timeout() : never);
}

std::optional<Transmit> PeerConnection::poll_transmit() {
  State& self = *state_;
  if (auto transmit = self.ice.poll_transmit()) return transmit;
  if (!self.transport) return std::nullopt;
  auto datagram = self.transport->poll_datagram();
  if (!datagram) return std::nullopt;
  const auto route = self.ice.route();
  if (route) return Transmit{route->local, route->remote, std::move(*datagram)};
  // Nothing may be sent without consent: RFC 7675, section 5.1.
  while (self.transport->poll_datagram()) ++self.dropped_datagrams;
  return std::nullopt;
}

std::optional<PeerConnection::Event> PeerConnection::poll_event() {
  if (state_->events.empty()) return std::nullopt;
  Event event = std::move(state_->events.front());
  state_->events.pop_front();
  return event;
}

const std::string& PeerConnection::local_ufrag() const {
  return state_->ice.local_credentials().ufrag;
}
const std::string& PeerConnection::mid() const {
  return state_->mid;
}
bool PeerConnection::is_authenticated(const Endpoint& local, const Endpoint& remote) const {
  return state_->ice.is_authenticated(local, remote);
}
bool PeerConnection::is_answer(Bytes message) const {
  return !state_->closed && state_->ice.is_answer(message);
}
bool PeerConnection::is_proved(const Endpoint& local, const Endpoint& remote) const {
  return state_->ice.is_proved(local, remote);
}
bool PeerConnection::is_closed() const {
  return state_->closed;
}
const Timeline& PeerConnection::timeline() const {
  return state_->timeline;
}
std::optional<ice::Path> PeerConnection::path() const {
  return state_->ice.route();
}
std::optional<Duration> PeerConnection::rtt() const {
  return state_->ice.rtt();
}
const std::deque<ice::CheckRecord>& PeerConnection::checks() const {
  return state_->ice.log();
}
std::uint64_t PeerConnection::dropped_datagrams() const {
  return state_->dropped_datagrams;
}

}  // namespace chatixia::rtc::peer
