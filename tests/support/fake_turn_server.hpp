#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/datagram.hpp"
#include "rtc/stun/message.hpp"
#include "rtc/turn/channel_data.hpp"

namespace chatixia::testing {

// A TURN server for one client, in one class: enough of RFC 8656 to test a client against, with
// knobs for what goes wrong. Requests are answered at once; what it relays is kept to be read.
class FakeTurnServer {
 public:
  struct Relayed {
    Endpoint peer;
    Buffer bytes;
    bool by_channel = false;
  };

  Endpoint address = Endpoint::parse("203.0.113.5:3478").value();
  Endpoint relayed_address = Endpoint::parse("203.0.113.5:50001").value();
  std::string username = "user";
  std::string password = "secret";
  std::string nonce = "nonce-1";
  std::uint32_t lifetime = 600;
  bool is_silent = false;
  // Method to error code: what the server refuses from now on.
  std::map<rtc::stun::Method, std::uint16_t> refusals;

  std::map<rtc::stun::Method, int> requests;  // those with the right credentials
  std::vector<Relayed> relayed;
  std::set<IpAddress> permissions;
  std::map<Endpoint, std::uint16_t> channels;
  std::optional<std::uint32_t> last_lifetime;
  bool is_allocated = false;

  // The server's answers to one datagram of the client.
  std::vector<Buffer> handle(const Endpoint& client, Bytes bytes) {
    using namespace rtc;
    if (is_silent) return {};
    if (const auto data = turn::ChannelData::parse(bytes)) {
      for (const auto& [peer, number] : channels)
        if (number == data->channel) keep(peer, data->bytes, true);
      return {};
    }
    const auto message = stun::Message::parse(bytes);
    if (!message) return {};
    if (message->method() == stun::Method::send) {
      const auto peer = message->xor_address(stun::AttributeType::xor_peer_address);
      const auto data = message->find(stun::AttributeType::data);
      if (peer && data && permissions.contains(peer->ip)) keep(*peer, *data, false);
      return {};
    }
    if (message->method() == stun::Method::binding)
      return {stun::Builder(stun::Class::success, stun::Method::binding, message->transaction_id())
                  .xor_address(stun::AttributeType::xor_mapped_address, client)
                  .take()};
    return {answer(client, *message)};
  }

  // A datagram from a peer as it reaches the client.
  Buffer wrap(const Endpoint& peer, Bytes bytes) const {
    using namespace rtc;
    const auto channel = channels.find(peer);
    if (channel != channels.end()) return turn::encode_channel_data(channel->second, bytes);
    return stun::Builder(stun::Class::indication, stun::Method::data, {})
        .xor_address(stun::AttributeType::xor_peer_address, peer)
        .bytes(stun::AttributeType::data, bytes)
        .take();
  }

 private:
  void keep(const Endpoint& peer, Bytes bytes, bool by_channel) {
    relayed.push_back({peer, Buffer(bytes.begin(), bytes.end()), by_channel});
  }

  Buffer error(const rtc::stun::Message& request, std::uint16_t code) const {
    using namespace rtc;
    stun::Builder builder(stun::Class::error, request.method(), request.transaction_id());
    builder.error(code, "refused");
    if (code == 401 || code == 438)
      builder.text(stun::AttributeType::realm, "example.org")
          .text(stun::AttributeType::nonce, nonce);
    return builder.take();
  }

  Buffer answer(const Endpoint& client, const rtc::stun::Message& request) {
    using namespace rtc;
    using stun::AttributeType;
    const auto key = stun::long_term_key(username, "example.org", password);
    if (!request.verify_integrity(key) || request.text(AttributeType::username) != username)
      return error(request, 401);
    if (request.text(AttributeType::nonce) != nonce) return error(request, 438);
    ++requests[request.method()];
    if (refusals.contains(request.method())) {
      const std::uint16_t code = refusals[request.method()];
      if (code == 437) is_allocated = false;  // which is what it says
      return error(request, code);
    }
    const bool is_mismatch = (request.method() == stun::Method::allocate) == is_allocated;
    if (is_mismatch) return error(request, 437);

    stun::Builder builder(stun::Class::success, request.method(), request.transaction_id());
    const auto peer = request.xor_address(AttributeType::xor_peer_address);
    switch (request.method()) {
      case stun::Method::allocate:
        is_allocated = true;
        builder.xor_address(AttributeType::xor_relayed_address, relayed_address)
            .xor_address(AttributeType::xor_mapped_address, client)
            .u32(AttributeType::lifetime, lifetime);
        break;
      case stun::Method::refresh:
        last_lifetime = request.u32(AttributeType::lifetime);
        if (last_lifetime == 0u) is_allocated = false;
        builder.u32(AttributeType::lifetime, lifetime);
        break;
      case stun::Method::create_permission:
        permissions.insert(peer->ip);
        break;
      case stun::Method::channel_bind:
        channels[*peer] =
            static_cast<std::uint16_t>(request.u32(AttributeType::channel_number).value() >> 16);
        break;
      default:
        return error(request, 400);
    }
    return builder.integrity(key).take();
  }
};

}  // namespace chatixia::testing
