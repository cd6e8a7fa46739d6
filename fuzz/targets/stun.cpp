#include <algorithm>
#include <optional>
#include <vector>

#include "base/assert.hpp"
#include "rtc/ice/agent.hpp"
#include "rtc/ice/gatherer.hpp"
#include "rtc/stun/message.hpp"

// The STUN codec and the state machines behind it. The first byte of the input says how the rest
// is used; with an agent, the rest is a script of messages that are authenticated on the way in.
namespace chatixia::rtc {
namespace {

using namespace std::chrono_literals;

const ice::Credentials ours = {"ours", "our password that is long"};
const ice::Credentials theirs = {"them", "their password that is long"};
const Endpoint local = {IpAddress::v4(0xc0000201), 1000};

Buffer rebuild(const stun::Message& message) {
  stun::Builder builder(message.message_class(), message.method(), message.transaction_id());
  for (const stun::Attribute& attribute : message.attributes())
    builder.bytes(attribute.type, attribute.value);
  return builder.integrity(as_bytes(ours.password)).fingerprint().take();
}

void round_trip(Bytes bytes) {
  const auto message = stun::Message::parse(bytes);
  if (!message) return;
  message->verify_integrity(as_bytes(ours.password));
  message->unknown_required();
  message->error_code();
  message->xor_address(stun::AttributeType::xor_mapped_address);

  const auto& attributes = message->attributes();
  const bool has_both_integrities = message->has(stun::AttributeType::message_integrity_sha256);
  if (attributes.size() + 2 > stun::attributes_max || bytes.size() > 65000 || has_both_integrities)
    return;
  const Buffer built = rebuild(*message);
  const auto again = stun::Message::parse(built);
  expects(again && again->verify_integrity(as_bytes(ours.password)) && again->has_fingerprint());
  expects(again->message_class() == message->message_class() &&
          again->method() == message->method() &&
          again->transaction_id() == message->transaction_id() &&
          again->attributes().size() == attributes.size());
  for (std::size_t i = 0; i < attributes.size(); ++i)
    expects(again->attributes()[i].type == attributes[i].type &&
            std::ranges::equal(again->attributes()[i].value, attributes[i].value));
}

// What the peer would send: a check, or an answer to the last check that we sent it.
Buffer peer_message(std::uint8_t kind, Bytes attributes, const stun::TransactionId& last) {
  const bool is_request = (kind & 3) < 2;
  const auto message_class = is_request        ? stun::Class::request
                             : (kind & 3) == 2 ? stun::Class::success
                                               : stun::Class::error;
  stun::Builder builder(message_class, stun::Method::binding,
                        is_request ? stun::TransactionId{kind} : last);
  if (is_request) {
    builder.text(stun::AttributeType::username, "ours:them")
        .u32(stun::AttributeType::priority, kind * 0x01010101u)
        .u64(kind & 4 ? stun::AttributeType::ice_controlling : stun::AttributeType::ice_controlled,
             kind * 0x0101010101010101u);
    if (kind & 8) builder.flag(stun::AttributeType::use_candidate);
  } else if (message_class == stun::Class::success) {
    builder.xor_address(stun::AttributeType::xor_mapped_address, local);
  } else {
    builder.error(kind & 8 ? 487 : 400, "");
  }
  if (!attributes.empty())
    builder.bytes(static_cast<stun::AttributeType>(0x8000 | attributes[0]), attributes);
  return builder.integrity(as_bytes(is_request ? ours.password : theirs.password))
      .fingerprint()
      .take();
}

void drive_agent(std::uint8_t seed, Bytes script) {
  SeededRandom random(seed);
  Instant now{1h};
  ice::Agent agent({.role = seed & 1 ? ice::Role::controlling : ice::Role::controlled}, ours,
                   random, now);
  ice::Candidate candidate;
  candidate.foundation = "1";
  candidate.priority = ice::candidate_priority(candidate.type, 65535);
  candidate.address = candidate.base = local;
  agent.add_local_candidate(now, candidate);

  stun::TransactionId last{};
  Endpoint last_remote;
  ByteReader reader(script);
  while (!reader.at_end()) {
    const std::uint8_t step = reader.u8();
    const std::uint8_t kind = reader.u8();
    const Endpoint from = {IpAddress::v4(0xc6336400u + (kind >> 5)), 2000};
    switch (step & 7) {
      case 0:
        now += std::chrono::milliseconds(kind * (step >> 3));
        break;
      case 1:
        agent.set_remote_credentials(now, theirs);
        break;
      case 2:
        candidate.address = from;
        candidate.base = {};
        candidate.priority = kind * 0x10101u + 1;
        agent.add_remote_candidate(now, candidate);
        break;
      case 3:
        if (kind == 3)
          agent.restart(now, ours, step & 8 ? ice::Role::controlling : ice::Role::controlled);
        if (kind == 4) agent.remove_local_candidate(now, local);
        break;
      case 4: {
        const Bytes raw = reader.bytes(std::min<std::size_t>(kind, reader.remaining()));
        agent.handle_stun(now, {local, from, raw});
        break;
      }
      default: {
        const Bytes extra = reader.bytes(std::min<std::size_t>(step >> 5, reader.remaining()));
        const Buffer bytes = peer_message(kind, extra, last);
        agent.handle_stun(now, {local, (kind & 3) < 2 ? from : last_remote, bytes});
      }
    }
    if (agent.next_timeout() <= now) agent.handle_timeout(now);
    while (auto transmit = agent.poll_transmit()) {
      const auto sent = stun::Message::parse(transmit->bytes);
      expects(sent.has_value() && transmit->local == local);
      if (sent->message_class() != stun::Class::request) continue;
      last = sent->transaction_id();
      last_remote = transmit->remote;
    }
    while (agent.poll_event()) {
    }
    if (const auto route = agent.route())
      expects(agent.is_authenticated(route->local, route->remote));
    expects(agent.log().size() <= 256);
  }
}

// What a server would make of the bytes: an answer to one of the requests, signed if it can be.
Buffer server_message(std::uint8_t kind, Bytes raw, const std::vector<stun::TransactionId>& open) {
  Buffer bytes(raw.begin(), raw.end());
  if (bytes.size() >= stun::header_bytes && !open.empty())
    std::ranges::copy(open[kind % open.size()], bytes.begin() + 8);
  const auto message = stun::Message::parse(bytes);
  if (!message || !(kind & 0x80)) return bytes;
  stun::Builder builder(message->message_class(), message->method(), message->transaction_id());
  for (const stun::Attribute& attribute : message->attributes())
    builder.bytes(attribute.type, attribute.value);
  return builder.integrity(stun::long_term_key("u", "r", "p")).take();
}

// A gatherer whose STUN and TURN server sends whatever the input says.
void drive_gatherer(std::uint8_t seed, Bytes script) {
  SeededRandom random(seed);
  Instant now{1h};
  const Endpoint server = {IpAddress::v4(0xcb007105), 3478};
  ice::Gatherer gatherer(random, now);
  gatherer.set_host_addresses(now, {local});
  gatherer.set_servers(now, {{ice::Server::Kind::turn, server, "u", "p"},
                             {ice::Server::Kind::stun, server, "", ""}});
  std::vector<stun::TransactionId> open;
  ByteReader reader(script);
  while (!reader.at_end()) {
    const std::uint8_t kind = reader.u8();
    const std::size_t size = reader.u8();
    for (const ice::Candidate& candidate : gatherer.candidates())
      if (gatherer.is_relayed(candidate.base))
        gatherer.send_relayed(now, {candidate.base, {IpAddress::v4(kind), 9}, Buffer(kind)});
    while (auto transmit = gatherer.poll_transmit())
      if (const auto sent = stun::Message::parse(transmit->bytes))
        open.push_back(sent->transaction_id());
    if (open.size() > 4) open.erase(open.begin(), open.end() - 4);
    const Bytes raw = reader.bytes(std::min(size, reader.remaining()));
    const Buffer bytes = server_message(kind, raw, open);
    gatherer.handle_datagram(now, {local, server, bytes});
    now += std::chrono::milliseconds(20 * (kind & 0x7f));
    if (gatherer.next_timeout() <= now) gatherer.handle_timeout(now);
    while (gatherer.poll_event()) {
    }
  }
  gatherer.close(now);
}

}  // namespace
}  // namespace chatixia::rtc

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace chatixia;
  const Bytes bytes(data, size);
  rtc::round_trip(bytes);
  if (bytes.empty()) return 0;
  if (bytes[0] & 0x40) rtc::drive_agent(bytes[0], bytes.subspan(1));
  if (bytes[0] & 0x80) rtc::drive_gatherer(bytes[0], bytes.subspan(1));
  return 0;
}
