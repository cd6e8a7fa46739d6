#include "protocol/signaling.hpp"

#include <utility>

#include "base/limits.hpp"
#include "json/json.hpp"
#include "json/reader.hpp"

namespace chatixia::protocol::signaling {
namespace {

constexpr json::Limits signal_limits = {.bytes_max = limits::signal_bytes_max};

// A payload as an object to read from.
Result<json::Object> object(std::string_view payload) {
  return json::parse_object(payload, signal_limits);
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out.append(name).append(json::quote(text));
}

}  // namespace

Result<Envelope> Envelope::parse(std::string_view text) {
  json::Reader reader(text, signal_limits);
  std::string_view payload;
  std::vector<std::pair<std::string_view, std::string_view>> names;
  if (reader.enter_object()) {
    while (reader.next_member()) {
      const std::string_view key = reader.key();
      const std::string_view slice = reader.skip();
      if (key == "payload") payload = slice;
      if (key == "type" || key == "peer_id" || key == "target_id") names.emplace_back(key, slice);
    }
  }
  if (auto done = reader.finish(); !done) return std::unexpected(std::move(done.error()));

  // The payload can be large and stays text; the names become values to be read with care.
  json::Object values;
  for (const auto& [key, slice] : names) {
    if (slice == "null") continue;
    values[key] = slice.front() == '"' ? json::Value(json::unquote(slice)) : json::Value(false);
  }
  json::ObjectReader fields(values);
  Envelope envelope;
  envelope.type = fields.text("type");
  envelope.peer_id = fields.text("peer_id");
  envelope.target_id = fields.optional_text("target_id");
  if (fields.error()) return std::unexpected(*fields.error());
  if (!payload.empty() && payload != "null") {
    if (payload.front() != '{') return fail(ParseError::bad_value, "\"payload\"");
    envelope.payload = payload;
  }
  return envelope;
}

std::string Envelope::encode() const {
  std::string out;
  out.reserve(payload.size() + type.size() + peer_id.size() + 128);
  append_member(out, R"({"type":)", type);
  append_member(out, R"(,"peer_id":)", peer_id);
  if (target_id) append_member(out, R"(,"target_id":)", *target_id);
  out.append(R"(,"payload":)").append(payload).append("}");
  return out;
}

Result<PeerList> PeerList::parse(std::string_view payload) {
  const auto fields = object(payload);
  if (!fields) return std::unexpected(fields.error());
  json::ObjectReader reader(*fields);
  // The envelope bounds it; who takes more peers than a node may have is for the node to say.
  PeerList list{.peers = reader.texts_or_empty("peers", limits::signal_bytes_max)};
  if (reader.error()) return std::unexpected(*reader.error());
  return list;
}

std::string PeerList::encode() const {
  json::Array array(peers.begin(), peers.end());
  return json::encode(json::Object{{"peers", std::move(array)}});
}

Result<Description> Description::parse(std::string_view payload) {
  const auto fields = object(payload);
  if (!fields) return std::unexpected(fields.error());
  json::ObjectReader reader(*fields);
  Description description{.sdp = reader.text("sdp", limits::signal_bytes_max)};
  if (reader.error()) return std::unexpected(*reader.error());
  return description;
}

std::string Description::encode() const {
  return json::encode(json::Object{{"sdp", sdp}});
}

Result<IceCandidate> IceCandidate::parse(std::string_view payload) {
  constexpr std::size_t candidate_bytes_max = 4096;
  const auto fields = object(payload);
  if (!fields) return std::unexpected(fields.error());
  json::ObjectReader reader(*fields);
  IceCandidate candidate;
  candidate.candidate = reader.text("candidate", candidate_bytes_max);
  candidate.sdp_mid = reader.optional_text("sdpMid");
  const std::int64_t index = reader.integer_or("sdpMLineIndex", -1, 0, 0xffff);
  if (index >= 0) candidate.sdp_mline_index = static_cast<std::uint16_t>(index);
  if (reader.error()) return std::unexpected(*reader.error());
  return candidate;
}

std::string IceCandidate::encode() const {
  return json::encode(json::Object{
      {"candidate", candidate},
      {"sdpMid", sdp_mid ? json::Value(*sdp_mid) : json::Value()},
      {"sdpMLineIndex", sdp_mline_index ? json::Value(*sdp_mline_index) : json::Value()}});
}

Result<Links> Links::parse(std::string_view payload) {
  const auto fields = object(payload);
  if (!fields) return std::unexpected(fields.error());
  Links links;
  const json::Value value = json::ObjectReader(*fields).value_or_null("links");
  if (value.is_null()) return links;
  if (!value.is_array()) return fail(ParseError::bad_value, "\"links\"");
  if (value.get_array().size() > limits::peers_max) return fail(ParseError::too_large, "\"links\"");
  for (const json::Value& element : value.get_array()) {
    if (!element.is_object()) return fail(ParseError::bad_value, "\"links\"");
    json::ObjectReader reader(element.get_object());
    links.links.push_back({.peer_id = reader.text("peer_id"), .path = reader.text("path")});
    if (reader.error()) return std::unexpected(*reader.error());
  }
  return links;
}

std::string Links::encode() const {
  json::Array array;
  for (const Link& link : links)
    array.push_back(json::Object{{"peer_id", link.peer_id}, {"path", link.path}});
  return json::encode(json::Object{{"links", std::move(array)}});
}

Result<Refusal> Refusal::parse(std::string_view payload) {
  constexpr std::size_t sentence_bytes_max = 4096;
  const auto fields = object(payload);
  if (!fields) return std::unexpected(fields.error());
  json::ObjectReader reader(*fields);
  Refusal refusal;
  refusal.code = reader.text("code");
  refusal.message = reader.text_or("message", "", sentence_bytes_max);
  refusal.hint = reader.text_or("hint", "", sentence_bytes_max);
  refusal.target_id = reader.optional_text("target_id");
  if (reader.error()) return std::unexpected(*reader.error());
  return refusal;
}

std::string Refusal::encode() const {
  json::Object object{{"code", code}, {"message", message}, {"hint", hint}};
  if (target_id) object["target_id"] = *target_id;
  return json::encode(object);
}

}  // namespace chatixia::protocol::signaling
