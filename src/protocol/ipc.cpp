#include "protocol/ipc.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "json/reader.hpp"

namespace chatixia::protocol::ipc {
namespace {

using json::Reader;

// The envelope nests a message two deep: the line, then its payload.
constexpr json::Limits line_limits = {.bytes_max = limits::ipc_line_bytes_max,
                                      .depth_max = limits::json_depth_max + 2};
constexpr json::Limits message_limits = {.bytes_max = limits::message_bytes_max};

// What every line has, as slices of it; empty when absent or null.
struct Line {
  std::string_view type;
  std::string_view id;
  std::string_view payload;
  // Members of the payload, found in the same pass; only the type tells which of them count.
  std::string_view message;
  std::string_view target_peer;
  std::string_view target_peer_id;
  std::string_view from_peer;
  std::optional<Error> error;
};

std::string_view skip_or_null(Reader& reader) {
  const std::string_view slice = reader.skip();
  return slice == "null" ? std::string_view() : slice;
}

void read_payload(Reader& reader, Line& line) {
  reader.enter_object();
  while (reader.next_member()) {
    const std::string_view key = reader.key();
    std::string_view* const place = key == "message"          ? &line.message
                                    : key == "target_peer"    ? &line.target_peer
                                    : key == "target_peer_id" ? &line.target_peer_id
                                    : key == "from_peer"      ? &line.from_peer
                                                              : nullptr;
    const std::string_view value = skip_or_null(reader);
    if (place) *place = value;
  }
}

Line read_line(std::string_view text) {
  Line line;
  Reader reader(text, line_limits);
  if (reader.enter_object()) {
    while (reader.next_member()) {
      if (reader.key() == "payload" && reader.kind() == Reader::Kind::object) {
        const char* const start = reader.position();
        read_payload(reader, line);
        line.payload = {start, reader.position()};
        continue;
      }
      std::string_view* const place = reader.key() == "type"      ? &line.type
                                      : reader.key() == "id"      ? &line.id
                                      : reader.key() == "payload" ? &line.payload
                                                                  : nullptr;
      const std::string_view value = skip_or_null(reader);
      if (place) *place = value;
    }
  }
  if (auto done = reader.finish(); !done) line.error = std::move(done.error());
  return line;
}

// A slice as a text of at most id_bytes_max; nothing when it is something else.
std::optional<std::string> id_text(std::string_view slice) {
  if (slice.empty() || slice.front() != '"') return std::nullopt;
  std::string text = json::unquote(slice);
  if (text.size() > limits::id_bytes_max) return std::nullopt;
  return text;
}

std::optional<PeerId> peer_id(std::string_view slice) {
  auto text = id_text(slice);
  if (!text || text->empty()) return std::nullopt;
  return PeerId(std::move(*text));
}

Problem to_problem(const Error& error) {
  return make_problem(
      error.code == ParseError::too_large ? error_code::too_large : error_code::bad_request,
      error.message());
}

std::optional<Problem> problem_of_message(std::string_view message) {
  if (message.empty()) return make_problem(error_code::bad_request, "\"message\" is missing");
  if (message.front() != '{')
    return make_problem(error_code::bad_request, "\"message\" is not an object");
  if (message.size() > limits::message_bytes_max)
    return make_problem(error_code::message_too_large);
  return std::nullopt;
}

// Appends JSON text that may hold newlines between its tokens; inside strings they cannot stand.
void append_on_one_line(std::string& out, std::string_view text) {
  const auto start = static_cast<std::ptrdiff_t>(out.size());
  out.append(text);
  if (text.find_first_of("\n\r") == text.npos) return;
  std::replace_if(
      out.begin() + start, out.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
}

void append_id(std::string& out, const std::optional<std::string>& id) {
  if (id) out.append(R"(,"id":)").append(json::quote(*id));
}

std::string line_of(std::string_view type, const std::optional<std::string>& id,
                    std::string_view payload) {
  std::string out;
  out.reserve(payload.size() + 96);
  out.append(R"({"type":")").append(type).append("\"");
  append_id(out, id);
  out.append(R"(,"payload":)").append(payload).append("}");
  return out;
}

// A line whose payload is one peer, if any, and one message.
std::string line_around(std::string_view head, const std::optional<std::string>& id,
                        std::string_view peer_key, const PeerId* peer, std::string_view message) {
  std::string out;
  out.reserve(message.size() + 128 + (peer ? peer->value().size() : 0));
  out.append(head);
  append_id(out, id);
  out.append(R"(,"payload":{)");
  if (peer) out.append(peer_key).append(json::quote(peer->value())).append(",");
  out.append(R"("message":)");
  append_on_one_line(out, message);
  out.append("}}");
  return out;
}

}  // namespace

bool is_relayable(std::string_view body) {
  // An object is told by its first byte, so that a long text of another kind is not read at all.
  Reader reader(body, message_limits);
  if (reader.kind() != Reader::Kind::object) return false;
  reader.skip();
  return reader.finish().has_value();
}

std::expected<Command, BadCommand> parse_command(std::string_view text) {
  const Line line = read_line(text);
  Command command{.id = id_text(line.id), .body = Status{}};
  const auto refuse = [&](Problem problem) {
    return std::unexpected(BadCommand{std::move(command.id), std::move(problem)});
  };
  const auto bad = [&](std::string detail) {
    return refuse(make_problem(error_code::bad_request, std::move(detail)));
  };
  if (line.error) return refuse(to_problem(*line.error));
  if (!line.id.empty() && !command.id) return bad("\"id\" is not a text of at most 256 bytes");
  const auto type = id_text(line.type);
  if (!type) return bad("\"type\" is missing or not a text");
  if (!line.payload.empty() && line.payload.front() != '{')
    return bad("\"payload\" is not an object");

  if (*type == "send") {
    auto target = peer_id(line.target_peer);
    if (!target) return bad("\"target_peer\" is missing or not a peer id");
    if (auto problem = problem_of_message(line.message)) return refuse(std::move(*problem));
    command.body = Send{.target = std::move(*target), .message = line.message};
  } else if (*type == "broadcast") {
    if (auto problem = problem_of_message(line.message)) return refuse(std::move(*problem));
    command.body = Broadcast{.message = line.message};
  } else if (*type == "connect") {
    auto target = peer_id(line.target_peer_id);
    if (!target) return bad("\"target_peer_id\" is missing or not a peer id");
    command.body = Connect{.target = std::move(*target)};
  } else if (*type == "list_peers") {
    command.body = ListPeers{};
  } else if (*type != "status") {
    return refuse(
        make_problem(error_code::unknown_command, "unknown command " + json::quote(*type)));
  }
  return command;
}

std::string encode_send(const std::optional<std::string>& id, const PeerId& target,
                        std::string_view message) {
  return line_around(R"({"type":"send")", id, R"("target_peer":)", &target, message);
}

std::string encode_broadcast(const std::optional<std::string>& id, std::string_view message) {
  return line_around(R"({"type":"broadcast")", id, "", nullptr, message);
}

std::string encode_list_peers(const std::optional<std::string>& id) {
  return line_of("list_peers", id, "{}");
}

std::string encode_connect(const std::optional<std::string>& id, const PeerId& target) {
  return line_of("connect", id, json::encode(json::Object{{"target_peer_id", target.value()}}));
}

std::string encode_status(const std::optional<std::string>& id) {
  return line_of("status", id, "{}");
}

std::string encode_message(const PeerId& from, std::string_view message) {
  return line_around(R"({"type":"message")", std::nullopt, R"("from_peer":)", &from, message);
}

std::string encode_peer_connected(const PeerId& peer, const json::Object& link) {
  return line_of("peer_connected", std::nullopt,
                 json::encode(json::Object{{"peer_id", peer.value()}, {"link", link}}));
}

std::string encode_peer_disconnected(const PeerId& peer, std::string_view reason,
                                     std::uint64_t undelivered_bytes) {
  json::Object payload{{"peer_id", peer.value()}, {"reason", reason}};
  if (undelivered_bytes > 0) payload["undelivered_bytes"] = undelivered_bytes;
  return line_of("peer_disconnected", std::nullopt, json::encode(payload));
}

std::string encode_registry_connected(const PeerId& self) {
  return line_of("registry_connected", std::nullopt,
                 json::encode(json::Object{{"self", self.value()}}));
}

std::string encode_peer_list(const std::optional<std::string>& id,
                             const std::vector<PeerId>& peers) {
  json::Array array;
  for (const PeerId& peer : peers) array.push_back(json::Value(peer.value()));
  return line_of("peer_list", id, json::encode(json::Object{{"peers", std::move(array)}}));
}

std::string encode_status_event(const std::optional<std::string>& id, const json::Object& status) {
  return line_of("status", id, json::encode(status));
}

std::string encode_ok(const std::string& id) {
  return line_of("ok", id, "{}");
}

std::string encode_error(const std::optional<std::string>& id, const Problem& problem,
                         const std::optional<PeerId>& target) {
  json::Object payload{
      {"code", problem.code}, {"message", problem.message}, {"hint", problem.hint}};
  if (target) payload["target_peer"] = target->value();
  return line_of("error", id, json::encode(payload));
}

namespace {

PeerConnected to_peer_connected(json::ObjectReader& reader) {
  PeerConnected event{.peer = PeerId(reader.text("peer_id")), .link = {}};
  if (const json::Object* const link = reader.object_or_null("link")) event.link = *link;
  return event;
}

PeerDisconnected to_peer_disconnected(json::ObjectReader& reader) {
  constexpr std::int64_t exact_max = std::int64_t{1} << 53;  // RFC 8259, section 6
  return {.peer = PeerId(reader.text("peer_id")),
          .reason = reader.text_or("reason", "", 4096),
          .undelivered_bytes =
              static_cast<std::uint64_t>(reader.integer_or("undelivered_bytes", 0, 0, exact_max))};
}

PeerListEvent to_peer_list(json::ObjectReader& reader) {
  PeerListEvent event;
  for (std::string& peer : reader.texts_or_empty("peers", limits::peers_max))
    event.peers.emplace_back(std::move(peer));
  return event;
}

ErrorEvent to_error(json::ObjectReader& reader) {
  constexpr std::size_t sentence_bytes_max = 16 * 1024;
  ErrorEvent event;
  event.problem.code = reader.text("code");
  event.problem.message = reader.text_or("message", "", sentence_bytes_max);
  event.problem.hint = reader.text_or("hint", "", sentence_bytes_max);
  if (auto target = reader.optional_text("target_peer")) event.target = PeerId(std::move(*target));
  return event;
}

Result<MessageEvent> to_message(const Line& line) {
  auto from = peer_id(line.from_peer);
  if (!from) return fail(ParseError::missing_field, "\"from_peer\"");
  if (const auto problem = problem_of_message(line.message))
    return fail(ParseError::bad_value, problem->message);
  return MessageEvent{.from = std::move(*from), .message = line.message};
}

}  // namespace

Result<Event> parse_event(std::string_view text) {
  Line line = read_line(text);
  if (line.error) return std::unexpected(std::move(*line.error));
  Event event{.id = id_text(line.id), .body = Ok{}};
  if (!line.id.empty() && !event.id) return fail(ParseError::bad_value, "\"id\"");
  auto type = id_text(line.type);
  if (!type) return fail(ParseError::missing_field, "\"type\"");
  if (*type == "message") {
    auto message = to_message(line);
    if (!message) return std::unexpected(std::move(message.error()));
    event.body = std::move(*message);
    return event;
  }

  if (line.payload.empty()) line.payload = "{}";
  auto payload = json::parse_object(line.payload, line_limits);
  if (!payload) return std::unexpected(std::move(payload.error()));
  json::ObjectReader reader(*payload);
  if (*type == "peer_connected") {
    event.body = to_peer_connected(reader);
  } else if (*type == "peer_disconnected") {
    event.body = to_peer_disconnected(reader);
  } else if (*type == "registry_connected") {
    event.body = RegistryConnected{.self = PeerId(reader.text("self"))};
  } else if (*type == "peer_list") {
    event.body = to_peer_list(reader);
  } else if (*type == "status") {
    event.body = StatusEvent{.status = std::move(*payload)};
    return event;
  } else if (*type == "error") {
    event.body = to_error(reader);
  } else if (*type != "ok") {
    event.body = UnknownEvent{.type = std::move(*type)};
  }
  if (reader.error()) return std::unexpected(*reader.error());
  return event;
}

}  // namespace chatixia::protocol::ipc
