#include "rtc/ice/relay.hpp"

#include <utility>

#include "rtc/ice/reflexive_probe.hpp"

namespace chatixia::rtc::ice {

Relay::Relay(Server server, const Endpoint& base, RandomSource& random, Instant now)
    : server_(std::move(server)), base_(base), random_(&random) {
  allocate(now);
}

void Relay::allocate(Instant now) {
  retry_at_ = never;
  has_new_credentials_ = false;
  client_.emplace(
      turn::Client::Options{base_, server_.address, server_.username, server_.credential}, *random_,
      now);
}

void Relay::set_server(Instant now, Server server) {
  if (server == server_) return;
  server_ = std::move(server);
  has_new_credentials_ = true;
  // The old ones may be why there is no allocation.
  if (retry_at_ != never) retry_at_ = now;
}

turn::Client::Handled Relay::handle_datagram(Instant now, const Datagram& datagram) {
  if (!client_) return turn::Client::NotMine{};
  const auto handled = client_->handle_datagram(now, datagram);
  take_events(now);
  return handled;
}

void Relay::send(Instant now, const Endpoint& peer, Bytes bytes) {
  if (client_) client_->send(now, peer, bytes);
}

void Relay::release(Instant now) {
  if (client_) client_->release(now);
}

void Relay::handle_timeout(Instant now) {
  if (now >= retry_at_) allocate(now);
  if (!client_ || now < client_->next_timeout()) return;
  client_->handle_timeout(now);
  take_events(now);
}

void Relay::take_events(Instant now) {
  while (auto event = client_->poll_event()) {
    resolved_ = true;
    if (const auto* allocated = std::get_if<turn::Client::Allocated>(&*event)) {
      relayed_ = allocated->relayed;
      mapped_ = allocated->mapped;
      failures_ = 0;
      failure_.clear();
    } else if (auto* failed = std::get_if<turn::Client::Failed>(&*event)) {
      relayed_.reset();
      mapped_.reset();
      failure_ = std::move(failed->reason);
      ++failures_;
      retry_at_ = has_new_credentials_ ? now : now + server_retry_delay(failures_, *random_);
    }
  }
}

Instant Relay::next_timeout() const {
  return client_ ? std::min(retry_at_, client_->next_timeout()) : retry_at_;
}

std::optional<Transmit> Relay::poll_transmit() {
  return client_ ? client_->poll_transmit() : std::nullopt;
}

}  // namespace chatixia::rtc::ice
