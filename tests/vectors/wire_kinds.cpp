#include "vectors/wire_kinds.hpp"

#include <array>
#include <utility>

#include "json/json.hpp"
#include "protocol/ipc.hpp"
#include "protocol/mesh_message.hpp"
#include "protocol/registry_api.hpp"
#include "protocol/signaling.hpp"

namespace chatixia::vectors {
namespace {

namespace api = protocol::api;
namespace ipc = protocol::ipc;
namespace mesh = protocol::mesh;
namespace signaling = protocol::signaling;
using json::Object;
using json::Value;

constexpr json::Limits any_size = {.bytes_max = 1024 * 1024};

std::string name_of(const Error& error) {
  constexpr std::array names = std::to_array<std::pair<ParseError, std::string_view>>({
      {ParseError::bad_value, "bad_value"},
      {ParseError::bad_syntax, "bad_syntax"},
      {ParseError::bad_utf8, "bad_utf8"},
      {ParseError::too_large, "too_large"},
      {ParseError::too_deep, "too_deep"},
      {ParseError::number_out_of_range, "number_out_of_range"},
      {ParseError::missing_field, "missing_field"},
      {ParseError::duplicate_field, "duplicate_field"},
  });
  for (const auto& [code, name] : names)
    if (error.code == code) return std::string(name);
  return error.message();
}

std::unexpected<Refusal> refuse(const Error& error) {
  return std::unexpected(Refusal{.error = name_of(error), .id = nullptr});
}

template <class T>
Value or_null(const std::optional<T>& value) {
  return value ? Value(*value) : Value();
}

Value texts(const std::vector<std::string>& list) {
  return json::Array(list.begin(), list.end());
}

// Kinds that are read from a text of their own.
template <class T>
Reader from_text(Value (*fields)(const T&)) {
  return [fields](std::string_view text) -> std::expected<Reading, Refusal> {
    const auto read = T::parse(text);
    if (!read) return refuse(read.error());
    return Reading{.value = fields(*read), .canonical = read->encode()};
  };
}

// Payloads of mesh messages, which are read from an object.
template <class T>
Reader from_payload(Value (*fields)(const T&)) {
  return [fields](std::string_view text) -> std::expected<Reading, Refusal> {
    const auto payload = json::parse_object(text, any_size);
    if (!payload) return refuse(payload.error());
    const auto read = T::parse(*payload);
    if (!read) return refuse(read.error());
    return Reading{.value = fields(*read), .canonical = json::encode(read->encode())};
  };
}

// Records of the registry, which are read from a member of an answer.
template <class T>
Reader from_record() {
  return [](std::string_view text) -> std::expected<Reading, Refusal> {
    const auto object = json::parse_object(text, any_size);
    if (!object) return refuse(object.error());
    const auto read = T::from_json(*object);
    if (!read) return refuse(read.error());
    return Reading{.value = read->to_json(), .canonical = json::encode(read->to_json())};
  };
}

Value parsed(std::string_view text) {
  return *json::parse(text, any_size);
}

std::expected<Reading, Refusal> read_json(std::string_view text) {
  auto value = json::parse(text, any_size);
  if (value.has_value() != json::validate(text, any_size).has_value())
    return std::unexpected(Refusal{.error = "parse() and validate() disagree", .id = nullptr});
  if (!value) return refuse(value.error());
  return Reading{.value = *value, .canonical = json::encode(*value)};
}

std::expected<Reading, Refusal> read_command(std::string_view text) {
  const auto command = ipc::parse_command(text);
  if (!command)
    return std::unexpected(
        Refusal{.error = command.error().problem.code, .id = or_null(command.error().id)});
  Object fields{{"id", or_null(command->id)}};
  std::string canonical;
  if (const auto* const send = std::get_if<ipc::Send>(&command->body)) {
    fields["type"] = "send";
    fields["target_peer"] = send->target.value();
    fields["message"] = parsed(send->message);
    canonical = ipc::encode_send(command->id, send->target, send->message);
  } else if (const auto* const broadcast = std::get_if<ipc::Broadcast>(&command->body)) {
    fields["type"] = "broadcast";
    fields["message"] = parsed(broadcast->message);
    canonical = ipc::encode_broadcast(command->id, broadcast->message);
  } else if (const auto* const connect = std::get_if<ipc::Connect>(&command->body)) {
    fields["type"] = "connect";
    fields["target_peer_id"] = connect->target.value();
    canonical = ipc::encode_connect(command->id, connect->target);
  } else if (std::holds_alternative<ipc::ListPeers>(command->body)) {
    fields["type"] = "list_peers";
    canonical = ipc::encode_list_peers(command->id);
  } else {
    fields["type"] = "status";
    canonical = ipc::encode_status(command->id);
  }
  return Reading{.value = std::move(fields), .canonical = std::move(canonical)};
}

// Adds the fields of one event and prints it again.
struct EventPrinter {
  const std::optional<std::string>& id;
  Object& fields;

  std::optional<std::string> operator()(const ipc::MessageEvent& event) const {
    fields["type"] = "message";
    fields["from_peer"] = event.from.value();
    fields["message"] = parsed(event.message);
    return ipc::encode_message(event.from, event.message);
  }
  std::optional<std::string> operator()(const ipc::PeerConnected& event) const {
    fields["type"] = "peer_connected";
    fields["peer_id"] = event.peer.value();
    fields["link"] = event.link;
    return ipc::encode_peer_connected(event.peer, event.link);
  }
  std::optional<std::string> operator()(const ipc::PeerDisconnected& event) const {
    fields["type"] = "peer_disconnected";
    fields["peer_id"] = event.peer.value();
    fields["reason"] = event.reason;
    fields["undelivered_bytes"] = event.undelivered_bytes;
    return ipc::encode_peer_disconnected(event.peer, event.reason, event.undelivered_bytes);
  }
  std::optional<std::string> operator()(const ipc::RegistryConnected& event) const {
    fields["type"] = "registry_connected";
    fields["self"] = event.self.value();
    return ipc::encode_registry_connected(event.self);
  }
  std::optional<std::string> operator()(const ipc::PeerListEvent& event) const {
    json::Array peers;
    for (const PeerId& peer : event.peers) peers.push_back(Value(peer.value()));
    fields["type"] = "peer_list";
    fields["peers"] = std::move(peers);
    return ipc::encode_peer_list(id, event.peers);
  }
  std::optional<std::string> operator()(const ipc::StatusEvent& event) const {
    fields["type"] = "status";
    fields["status"] = event.status;
    return ipc::encode_status_event(id, event.status);
  }
  std::optional<std::string> operator()(const ipc::Ok&) const {
    fields["type"] = "ok";
    return ipc::encode_ok(id.value_or(""));
  }
  std::optional<std::string> operator()(const ipc::ErrorEvent& event) const {
    fields["type"] = "error";
    fields["code"] = event.problem.code;
    fields["message"] = event.problem.message;
    fields["hint"] = event.problem.hint;
    fields["target_peer"] = event.target ? Value(event.target->value()) : Value();
    return ipc::encode_error(id, event.problem, event.target);
  }
  std::optional<std::string> operator()(const ipc::UnknownEvent& event) const {
    fields["type"] = event.type;
    return std::nullopt;
  }
};

std::expected<Reading, Refusal> read_event(std::string_view text) {
  const auto event = ipc::parse_event(text);
  if (!event) return refuse(event.error());
  Object fields{{"id", or_null(event->id)}};
  auto canonical = std::visit(EventPrinter{.id = event->id, .fields = fields}, event->body);
  return Reading{.value = std::move(fields), .canonical = std::move(canonical)};
}

Value envelope(const signaling::Envelope& envelope) {
  return Object{{"type", envelope.type},
                {"peer_id", envelope.peer_id},
                {"target_id", or_null(envelope.target_id)},
                {"payload", parsed(envelope.payload)}};
}

Value ice_candidate(const signaling::IceCandidate& candidate) {
  return Object{{"candidate", candidate.candidate},
                {"sdpMid", or_null(candidate.sdp_mid)},
                {"sdpMLineIndex", or_null(candidate.sdp_mline_index)}};
}

Value links(const signaling::Links& links) {
  json::Array array;
  for (const auto& link : links.links)
    array.push_back(Object{{"peer_id", link.peer_id}, {"path", link.path}});
  return Object{{"links", std::move(array)}};
}

Value message(const mesh::Message& message) {
  return Object{{"type", message.type},
                {"request_id", message.request_id},
                {"source_agent", message.source_agent},
                {"target_agent", message.target_agent},
                {"payload", message.payload}};
}

Value heartbeat(const api::Heartbeat& beat) {
  return Object{{"agent_id", beat.agent_id},
                {"hostname", or_null(beat.hostname)},
                {"ip", or_null(beat.ip)},
                {"port", or_null(beat.port)},
                {"status", or_null(beat.status)},
                {"mode", or_null(beat.mode)},
                {"skills_count", or_null(beat.skills_count)},
                {"goals_count", or_null(beat.goals_count)},
                {"uptime_seconds", or_null(beat.uptime_seconds)},
                {"skill_names", beat.skill_names ? texts(*beat.skill_names) : Value()},
                {"sidecar_peer_id", or_null(beat.sidecar_peer_id)}};
}

Value task_submission(const api::TaskSubmission& task) {
  return Object{{"skill", task.skill},
                {"target_agent_id", task.target_agent_id},
                {"source_agent_id", task.source_agent_id},
                {"payload", task.payload},
                {"ttl", task.ttl}};
}

Value agent_registration(const api::AgentRegistration& agent) {
  return Object{{"agent_id", agent.agent_id},
                {"hostname", agent.hostname},
                {"ip", agent.ip},
                {"port", agent.port},
                {"sidecar_peer_id", agent.sidecar_peer_id},
                {"capabilities", agent.capabilities},
                {"status", agent.status},
                {"mode", agent.mode}};
}

Value config(const api::Config& config) {
  json::Array servers;
  for (const api::IceServer& server : config.ice_servers)
    servers.push_back(Object{{"urls", texts(server.urls)},
                             {"username", server.username},
                             {"credential", server.credential}});
  return Object{{"iceServers", std::move(servers)}};
}

std::map<std::string, Reader, std::less<>> make_readers() {
  std::map<std::string, Reader, std::less<>> all;
  all["json"] = read_json;
  all["command"] = read_command;
  all["event"] = read_event;

  all["envelope"] = from_text<signaling::Envelope>(envelope);
  all["peer_list"] = from_text<signaling::PeerList>([](const signaling::PeerList& list) -> Value {
    return Object{{"peers", texts(list.peers)}};
  });
  all["description"] = from_text<signaling::Description>(
      [](const signaling::Description& it) -> Value { return Object{{"sdp", it.sdp}}; });
  all["ice_candidate"] = from_text<signaling::IceCandidate>(ice_candidate);
  all["links"] = from_text<signaling::Links>(links);
  all["refusal"] = from_text<signaling::Refusal>([](const signaling::Refusal& it) -> Value {
    return Object{{"code", it.code},
                  {"message", it.message},
                  {"hint", it.hint},
                  {"target_id", or_null(it.target_id)}};
  });

  all["message"] = from_text<mesh::Message>(message);
  all["task_request"] = from_payload<mesh::TaskRequest>([](const mesh::TaskRequest& it) -> Value {
    return Object{{"skill", it.skill}, {"args", it.args}, {"timeout_ms", or_null(it.timeout_ms)}};
  });
  all["task_response"] =
      from_payload<mesh::TaskResponse>([](const mesh::TaskResponse& it) -> Value {
        return Object{{"result", or_null(it.result)},
                      {"error", or_null(it.error)},
                      {"code", it.code.empty() ? Value() : Value(it.code)}};
      });
  all["stream_chunk"] = from_payload<mesh::StreamChunk>([](const mesh::StreamChunk& it) -> Value {
    return Object{{"text", it.text}, {"done", it.done}};
  });
  all["skill_query"] = from_payload<mesh::SkillQuery>(
      [](const mesh::SkillQuery& it) -> Value { return Object{{"skill", it.skill}}; });
  all["skill_response"] =
      from_payload<mesh::SkillResponse>([](const mesh::SkillResponse& it) -> Value {
        return Object{{"available", it.available}, {"description", it.description}};
      });
  all["agent_status"] = from_payload<mesh::AgentStatus>(
      [](const mesh::AgentStatus& it) -> Value { return Object{{"status", it.status}}; });
  all["agent_prompt"] = from_payload<mesh::AgentPrompt>([](const mesh::AgentPrompt& it) -> Value {
    return Object{{"text", it.text}, {"session_id", it.session_id}, {"broadcast", it.broadcast}};
  });
  all["agent_response"] = from_payload<mesh::AgentResponse>(
      [](const mesh::AgentResponse& it) -> Value { return Object{{"text", it.text}}; });

  all["agent_registration"] = from_text<api::AgentRegistration>(agent_registration);
  all["agent_record"] = from_record<api::AgentRecord>();
  all["heartbeat"] = from_text<api::Heartbeat>(heartbeat);
  all["task_submission"] = from_text<api::TaskSubmission>(task_submission);
  all["task_update"] = from_text<api::TaskUpdate>([](const api::TaskUpdate& it) -> Value {
    return Object{{"state", it.state}, {"result", it.result}, {"error", it.error}};
  });
  all["task"] = from_record<api::Task>();
  all["token_answer"] = from_text<api::TokenAnswer>([](const api::TokenAnswer& it) -> Value {
    return Object{{"token", it.token}, {"peer_id", it.peer_id}, {"role", it.role}};
  });
  all["config"] = from_text<api::Config>(config);
  return all;
}

}  // namespace

const std::map<std::string, Reader, std::less<>>& readers() {
  static const auto all = make_readers();
  return all;
}

}  // namespace chatixia::vectors
