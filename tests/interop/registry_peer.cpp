#include "interop/registry_peer.hpp"

#include <utility>

#include "base/assert.hpp"

namespace chatixia::interop {

namespace signaling = protocol::signaling;
using rtc::peer::PeerConnection;

RegistryPeer::RegistryPeer(net::Loop& loop, RandomSource& random, Options options,
                           Handlers handlers)
    : loop_(loop), random_(random), options_(std::move(options)), handlers_(std::move(handlers)) {
  auto connected = [this, alive = std::weak_ptr<bool>(alive_)](auto socket) {
    if (alive.expired()) return;
    if (!socket) return handlers_.on_problem(socket.error().message());
    socket_ = std::move(*socket);
    socket_->start({
        .on_text =
            [this, alive](std::string_view text) {
              if (!alive.expired()) handle_text(text);
            },
        .on_closed =
            [this, alive](std::uint16_t code, const std::string& reason) {
              if (!alive.expired())
                handlers_.on_problem("signaling closed: " + std::to_string(code) + " " + reason);
            },
    });
    const signaling::Envelope registration{.type = std::string(signaling::type::register_),
                                           .peer_id = options_.self};
    socket_->send_text(registration.encode());
  };
  net::WebSocket::connect(loop_, options_.signaling, options_.token, {}, std::move(connected));
}

RegistryPeer::~RegistryPeer() {
  if (socket_) socket_->close(1000, "");
}

PeerDriver* RegistryPeer::link(const std::string& peer) {
  const auto found = links_.find(peer);
  return found == links_.end() ? nullptr : found->second.get();
}

void RegistryPeer::offer(const std::string& peer) {
  PeerDriver* link = make_link(peer);
  if (!link) return;
  const std::string sdp = link->act([](PeerConnection& connection, Instant now) {
    expects(connection.open_channel(now, {.label = "mesh"}).has_value());
    return connection.create_offer(now);
  });
  signal(signaling::type::offer, peer, signaling::Description{sdp}.encode());
  trickle(peer, *link);
}

void RegistryPeer::close(const std::string& peer) {
  const auto found = links_.find(peer);
  if (found == links_.end()) return;
  found->second->act([](PeerConnection& connection, Instant now) { connection.close(now); });
  // The caller may be an event of this very link.
  loop_.post([link = std::move(found->second)] {});
  links_.erase(found);
}

PeerDriver* RegistryPeer::make_link(const std::string& peer) {
  close(peer);
  auto link =
      PeerDriver::make(loop_, random_, options_.connection, options_.address,
                       [this, peer](const auto& event) { handlers_.on_event(peer, event); });
  if (!link) {
    handlers_.on_problem(link.error().message());
    return nullptr;
  }
  return (links_[peer] = std::move(*link)).get();
}

void RegistryPeer::trickle(const std::string& peer, PeerDriver& link) {
  const auto candidate = link.candidate();
  link.act([&](PeerConnection& connection, Instant now) {
    connection.add_local_candidate(now, candidate);
    connection.end_of_local_candidates(now);
  });
  const signaling::IceCandidate host{
      .candidate = candidate.encode(), .sdp_mid = "0", .sdp_mline_index = 0};
  signal(signaling::type::ice_candidate, peer, host.encode());
  signal(signaling::type::ice_candidate, peer, signaling::IceCandidate{}.encode());
}

void RegistryPeer::signal(std::string_view type, const std::string& peer, std::string payload) {
  const signaling::Envelope envelope{.type = std::string(type),
                                     .peer_id = options_.self,
                                     .target_id = peer,
                                     .payload = std::move(payload)};
  socket_->send_text(envelope.encode());
}

void RegistryPeer::handle_text(std::string_view text) {
  const auto envelope = signaling::Envelope::parse(text);
  if (!envelope) return handlers_.on_problem(envelope.error().message());
  const auto handled = handle_envelope(*envelope);
  if (!handled) handlers_.on_problem(envelope->type + ": " + handled.error().message());
}

Result<void> RegistryPeer::handle_envelope(const signaling::Envelope& envelope) {
  if (envelope.type == signaling::type::peer_list) {
    const auto list = signaling::PeerList::parse(envelope.payload);
    if (!list) return std::unexpected(list.error());
    handlers_.on_joined(list->peers);
    if (options_.calls_peers)
      for (const std::string& peer : list->peers) offer(peer);
    return {};
  }
  if (envelope.type == signaling::type::offer)
    return accept_offer(envelope.peer_id, envelope.payload);

  PeerDriver* link = this->link(envelope.peer_id);
  if (!link) return {};  // candidates of a link that is closed already
  if (envelope.type == signaling::type::answer) {
    const auto answer = signaling::Description::parse(envelope.payload);
    if (!answer) return std::unexpected(answer.error());
    return link->act([&](PeerConnection& connection, Instant now) {
      return connection.set_answer(now, answer->sdp);
    });
  }
  if (envelope.type == signaling::type::ice_candidate) {
    const auto candidate = signaling::IceCandidate::parse(envelope.payload);
    if (!candidate) return std::unexpected(candidate.error());
    return link->act([&](PeerConnection& connection, Instant now) {
      return connection.add_remote_candidate(now, candidate->candidate);
    });
  }
  return {};
}

Result<void> RegistryPeer::accept_offer(const std::string& peer, const std::string& payload) {
  const auto offer = signaling::Description::parse(payload);
  if (!offer) return std::unexpected(offer.error());
  PeerDriver* link = make_link(peer);
  if (!link) return {};
  const auto answer = link->act([&](PeerConnection& connection, Instant now) {
    return connection.accept_offer(now, offer->sdp);
  });
  if (!answer) return std::unexpected(answer.error());
  signal(signaling::type::answer, peer, signaling::Description{*answer}.encode());
  trickle(peer, *link);
  return {};
}

}  // namespace chatixia::interop
