#include "rtc/turn/client.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace chatixia::rtc::turn {
namespace {

using stun::AttributeType;
using namespace std::chrono_literals;

constexpr std::uint32_t udp = 17u << 24;          // REQUESTED-TRANSPORT
constexpr std::uint32_t family_v6 = 0x02u << 24;  // REQUESTED-ADDRESS-FAMILY

// A request may be challenged for the realm and then for a stale nonce; more is a broken server.
constexpr int attempts_max = 4;

// A server that is not there is given up after 7.5 s, so that gathering ends.
constexpr stun::Retransmission allocate_policy = {500ms, 4, 8};
constexpr stun::Retransmission request_policy = {};

constexpr std::uint32_t lifetime_seconds = 600;

// RFC 8489, sections 14.9 and 14.10: fewer than 128 characters. Both come back in every request
// of ours, which has to fit into a datagram.
constexpr std::size_t challenge_bytes_max = 763;

// RFC 8656, section 19, in words for people.
std::string explain(const std::optional<stun::ErrorCode>& error) {
  if (!error) return "the TURN server answered with a malformed error";
  switch (error->code) {
    case 401:
      return "the TURN server refused the user name or the credential";
    case 403:
      return "the TURN server forbids this";
    case 437:
      return "the TURN server does not know this allocation";
    case 440:
      return "the TURN server does not relay this address family";
    case 441:
      return "the allocation belongs to other credentials";
    case 442:
      return "the TURN server does not relay UDP";
    case 486:
      return "the quota of allocations for this user is used up";
    case 508:
      return "the TURN server has no capacity left";
    default:
      break;
  }
  return fmt::format("the TURN server answered with error {}", error->code);
}

// A minute before the granted lifetime ends; half of it when it is short.
Duration refresh_after(const stun::Message& message) {
  const std::uint32_t granted = message.u32(AttributeType::lifetime).value_or(lifetime_seconds);
  const Duration lifetime = std::chrono::seconds(std::clamp(granted, 30u, 3600u));
  return std::max<Duration>(lifetime - 60s, lifetime / 2);
}

}  // namespace

Client::Client(Options options, RandomSource& random, Instant now)
    : options_(std::move(options)), random_(&random) {
  start_request(now, Kind::allocate, {}, 1);
}

void Client::emit(Buffer bytes) {
  transmits_.push_back({options_.local, options_.server, std::move(bytes)});
}

Buffer Client::encode_request(const stun::TransactionId& id, Kind kind,
                              const Endpoint& peer) const {
  static constexpr stun::Method methods[] = {stun::Method::allocate, stun::Method::refresh,
                                             stun::Method::create_permission,
                                             stun::Method::channel_bind, stun::Method::refresh};
  stun::Builder builder(stun::Class::request, methods[static_cast<std::size_t>(kind)], id);
  switch (kind) {
    case Kind::allocate:
      builder.u32(AttributeType::requested_transport, udp);
      if (options_.server.ip.is_v6())
        builder.u32(AttributeType::requested_address_family, family_v6);
      break;
    case Kind::refresh:
      builder.u32(AttributeType::lifetime, lifetime_seconds);
      break;
    case Kind::release:
      builder.u32(AttributeType::lifetime, 0);
      break;
    case Kind::permission:
      builder.xor_address(AttributeType::xor_peer_address, peer);
      break;
    case Kind::channel: {
      const std::uint32_t number = channels_.number_of(peer);
      builder.u32(AttributeType::channel_number, number << 16)
          .xor_address(AttributeType::xor_peer_address, peer);
      break;
    }
  }
  if (authentication_)
    builder.text(AttributeType::username, options_.username)
        .text(AttributeType::realm, authentication_->realm)
        .text(AttributeType::nonce, authentication_->nonce)
        .integrity(authentication_->key);
  return builder.take();
}

void Client::start_request(Instant now, Kind kind, const Endpoint& peer, int attempt) {
  const stun::TransactionId id = stun::make_transaction_id(*random_);
  Transmit transmit{options_.local, options_.server, encode_request(id, kind, peer)};
  transmits_.push_back(transmit);
  requests_.push_back({stun::ClientTransaction(id, std::move(transmit),
                                               relayed_ ? request_policy : allocate_policy, now),
                       kind, peer, attempt});
}

bool Client::has_request(Kind kind, const Endpoint& peer) const {
  return std::any_of(requests_.begin(), requests_.end(), [&](const Request& request) {
    return request.kind == kind && request.peer == peer;
  });
}

Client::Handled Client::handle_datagram(Instant now, const Datagram& datagram) {
  if (datagram.remote != options_.server || datagram.local != options_.local) return NotMine{};
  if (const auto data = ChannelData::parse(datagram.bytes)) {
    const Endpoint* const peer = channels_.find_peer(data->channel);
    if (!peer || !relayed_) return Consumed{};
    return Datagram{*relayed_, *peer, data->bytes};
  }
  if (!stun::looks_like_stun(datagram.bytes)) return NotMine{};
  const auto message = stun::Message::parse(datagram.bytes);
  if (!message) return NotMine{};
  const bool is_understood = message->unknown_required().empty();
  if (message->message_class() == stun::Class::indication)
    return is_understood ? on_data(*message) : Consumed{};

  const auto found = std::find_if(requests_.begin(), requests_.end(), [&](const Request& request) {
    return request.transaction.matches(*message);
  });
  if (found == requests_.end()) return NotMine{};
  if (!is_understood) return Consumed{};  // RFC 8489, section 6.3.3
  // Whoever does not know the key cannot confirm anything: RFC 8489, section 9.2.5.
  if (message->message_class() == stun::Class::success &&
      !(authentication_ && message->verify_integrity(authentication_->key)))
    return Consumed{};
  const Request request = std::move(*found);
  requests_.erase(found);
  on_response(now, request, *message);
  return Consumed{};
}

void Client::on_response(Instant now, const Request& request, const stun::Message& message) {
  if (message.message_class() == stun::Class::success)
    on_success(now, request, message);
  else
    on_error(now, request, message);
}

void Client::on_success(Instant now, const Request& request, const stun::Message& message) {
  switch (request.kind) {
    case Kind::allocate:
      on_allocated(now, message);
      break;
    case Kind::refresh:
      refresh_at_ = now + refresh_after(message);
      break;
    case Kind::permission:
      on_permission_granted(now, request.peer);
      break;
    case Kind::channel:
      if (Channel* const channel = channels_.find(request.peer)) {
        channel->state = Channel::State::bound;
        channel->bound_at = now;
      }
      break;
    case Kind::release:
      start_request(now, Kind::allocate, {}, 1);
      break;
  }
}

void Client::on_allocated(Instant now, const stun::Message& message) {
  const auto relayed = message.xor_address(AttributeType::xor_relayed_address);
  if (!relayed) return fail("the TURN server named no relayed address");
  relayed_ = *relayed;
  refresh_at_ = now + refresh_after(message);
  maintain_at_ = now + maintenance_interval;
  events_.push_back(Allocated{*relayed, message.xor_address(AttributeType::xor_mapped_address)});
}

// RFC 8489, section 9.2.5: 401 names the realm, 438 a fresh nonce.
bool Client::take_challenge(const stun::Message& message) {
  const auto nonce = message.text(AttributeType::nonce);
  const auto realm = message.text(AttributeType::realm);
  if (!nonce || (!realm && !authentication_)) return false;
  if (nonce->size() > challenge_bytes_max || (realm && realm->size() > challenge_bytes_max))
    return false;
  Authentication next;
  next.realm = realm ? std::string(*realm) : authentication_->realm;
  next.nonce = std::string(*nonce);
  next.key = stun::long_term_key(options_.username, next.realm, options_.password);
  authentication_ = std::move(next);
  return true;
}

void Client::on_error(Instant now, const Request& request, const stun::Message& message) {
  const auto error = message.error_code();
  const std::uint16_t code = error ? error->code : 0;
  const bool is_challenge = (code == 401 && !authentication_) || code == 438;
  if (is_challenge && request.attempt < attempts_max) {
    if (!take_challenge(message))
      return on_refused(now, request, "the TURN server's challenge cannot be answered");
    return start_request(now, request.kind, request.peer, request.attempt + 1);
  }
  if (code == 437) return on_mismatch(now, request, explain(error));
  on_refused(now, request, explain(error));
}

// RFC 8656, section 7.4: 437 to an Allocate means that these addresses have an allocation, which
// somebody before us on this port has left behind.
void Client::on_mismatch(Instant now, const Request& request, std::string reason) {
  if (request.kind == Kind::release) return start_request(now, Kind::allocate, {}, 1);
  if (request.kind != Kind::allocate || std::exchange(cleared_, true))
    return fail(std::move(reason));
  start_request(now, Kind::release, {}, 1);
}

void Client::on_refused(Instant now, const Request& request, const std::string& reason) {
  switch (request.kind) {
    case Kind::allocate:
    case Kind::refresh:
    case Kind::release:
      fail(reason);
      break;
    case Kind::permission:
      if (const auto found = permissions_.find(request.peer.ip); found != permissions_.end()) {
        found->second.state = Permission::State::refused;
        found->second.changed_at = now;
        found->second.pending.clear();
      }
      break;
    case Kind::channel:
      // Send indications do as well.
      if (Channel* const channel = channels_.find(request.peer))
        channel->state = Channel::State::refused;
      break;
  }
}

void Client::fail(std::string reason) {
  if (ended_) return;
  ended_ = true;
  relayed_.reset();
  requests_.clear();
  permissions_.clear();
  channels_.clear();
  events_.push_back(Failed{std::move(reason)});
}

void Client::release(Instant now) {
  if (ended_) return;
  ended_ = true;
  requests_.clear();
  if (relayed_) start_request(now, Kind::release, {}, attempts_max);
  requests_.clear();  // one packet; if it is lost, the allocation ends by itself
  relayed_.reset();
}

void Client::handle_timeout(Instant now) {
  for (std::size_t i = 0; i < requests_.size();) {
    switch (requests_[i].transaction.handle_timeout(now)) {
      case stun::ClientTransaction::Step::wait:
        ++i;
        break;
      case stun::ClientTransaction::Step::retransmit:
        transmits_.push_back(requests_[i].transaction.request());
        ++i;
        break;
      case stun::ClientTransaction::Step::give_up: {
        const Request request = std::move(requests_[i]);
        requests_.erase(requests_.begin() + static_cast<std::ptrdiff_t>(i));
        on_refused(now, request, "the TURN server does not answer");
        break;
      }
    }
  }
  if (ended_) return;
  if (now >= refresh_at_) {
    refresh_at_ = never;
    start_request(now, Kind::refresh, {}, 1);
  }
  if (now >= maintain_at_) maintain(now);
}

Instant Client::next_timeout() const {
  if (ended_) return never;
  Instant at = std::min(refresh_at_, maintain_at_);
  for (const Request& request : requests_) at = std::min(at, request.transaction.next_timeout());
  return at;
}

std::optional<Transmit> Client::poll_transmit() {
  if (transmits_.empty()) return std::nullopt;
  Transmit transmit = std::move(transmits_.front());
  transmits_.pop_front();
  return transmit;
}

std::optional<Client::Event> Client::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace chatixia::rtc::turn
