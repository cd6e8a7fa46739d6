#include "protocol/mesh_message.hpp"

#include "base/limits.hpp"

namespace chatixia::protocol::mesh {
namespace {

// Texts inside a message are bounded by the message itself.
constexpr std::size_t body_bytes_max = limits::message_bytes_max;

}  // namespace

Result<Message> Message::parse(std::string_view text) {
  auto fields = json::parse_object(text, {.bytes_max = limits::message_bytes_max});
  if (!fields) return std::unexpected(std::move(fields.error()));
  json::ObjectReader reader(*fields);
  Message message;
  message.type = reader.text("type");
  message.request_id = reader.text_or("request_id", "");
  message.source_agent = reader.text_or("source_agent", "");
  message.target_agent = reader.text_or("target_agent", "");
  const bool has_payload = reader.object_or_null("payload") != nullptr;
  if (reader.error()) return std::unexpected(*reader.error());
  if (has_payload) message.payload = std::move((*fields)["payload"].get_object());
  return message;
}

std::string Message::encode() const {
  return json::encode(json::Object{{"type", type},
                                   {"request_id", request_id},
                                   {"source_agent", source_agent},
                                   {"target_agent", target_agent},
                                   {"payload", payload}});
}

Result<TaskRequest> TaskRequest::parse(const json::Object& payload) {
  // Exact in every language that keeps numbers as doubles.
  constexpr std::int64_t timeout_max = std::int64_t{1} << 53;
  json::ObjectReader reader(payload);
  TaskRequest request;
  request.skill = reader.text("skill");
  const std::int64_t timeout = reader.integer_or("timeout_ms", -1, 0, timeout_max);
  if (timeout >= 0) request.timeout_ms = timeout;
  const json::Object* const args = reader.object_or_null("args");
  if (reader.error()) return std::unexpected(*reader.error());
  if (args) {
    request.args = *args;
    return request;
  }
  for (const auto& member : payload)
    if (member.key() != "skill" && member.key() != "timeout_ms" && member.key() != "args")
      request.args.insert(member);
  return request;
}

json::Object TaskRequest::encode() const {
  json::Object payload{{"skill", skill}, {"args", args}};
  if (timeout_ms) payload["timeout_ms"] = *timeout_ms;
  return payload;
}

Result<TaskResponse> TaskResponse::parse(const json::Object& payload) {
  json::ObjectReader reader(payload);
  TaskResponse response;
  auto error = reader.text_or("error", "", body_bytes_max);
  auto code = reader.text_or("code", "");
  if (reader.error()) return std::unexpected(*reader.error());
  const json::Value* const result = payload.if_contains("result");
  if (!error.empty()) {
    response.error = std::move(error);
  } else if (result) {
    response.result = *result;
  } else if (payload.contains("error")) {
    // An error without a word is still an error.
    response.error = "";
  } else {
    return fail(ParseError::missing_field, "\"result\"");
  }
  if (response.error) response.code = std::move(code);
  return response;
}

json::Object TaskResponse::encode() const {
  if (error && !code.empty()) return {{"error", *error}, {"code", code}};
  if (error) return {{"error", *error}};
  return {{"result", result.value_or(nullptr)}};
}

Result<StreamChunk> StreamChunk::parse(const json::Object& payload) {
  json::ObjectReader reader(payload);
  StreamChunk chunk;
  chunk.text = reader.text_or("text", "", body_bytes_max);
  chunk.done = reader.boolean_or("done", false);
  if (reader.error()) return std::unexpected(*reader.error());
  return chunk;
}

json::Object StreamChunk::encode() const {
  return {{"text", text}, {"done", done}};
}

Result<SkillQuery> SkillQuery::parse(const json::Object& payload) {
  json::ObjectReader reader(payload);
  SkillQuery query{.skill = reader.text("skill")};
  if (reader.error()) return std::unexpected(*reader.error());
  return query;
}

json::Object SkillQuery::encode() const {
  return {{"skill", skill}};
}

Result<SkillResponse> SkillResponse::parse(const json::Object& payload) {
  json::ObjectReader reader(payload);
  SkillResponse response;
  response.available = reader.boolean_or("available", false);
  response.description = reader.text_or("description", "", body_bytes_max);
  if (reader.error()) return std::unexpected(*reader.error());
  return response;
}

json::Object SkillResponse::encode() const {
  return {{"available", available}, {"description", description}};
}

Result<AgentStatus> AgentStatus::parse(const json::Object& payload) {
  json::ObjectReader reader(payload);
  AgentStatus status{.status = reader.text("status")};
  if (reader.error()) return std::unexpected(*reader.error());
  return status;
}

json::Object AgentStatus::encode() const {
  return {{"status", status}};
}

Result<AgentPrompt> AgentPrompt::parse(const json::Object& payload) {
  json::ObjectReader reader(payload);
  AgentPrompt prompt;
  const auto text = reader.optional_text("text", body_bytes_max);
  prompt.text = text ? *text : reader.text("message", body_bytes_max);
  prompt.session_id = reader.text_or("session_id", "");
  prompt.broadcast = reader.boolean_or("broadcast", false);
  if (reader.error()) return std::unexpected(*reader.error());
  return prompt;
}

json::Object AgentPrompt::encode() const {
  json::Object payload{{"text", text}, {"session_id", session_id}};
  if (broadcast) payload["broadcast"] = true;
  return payload;
}

Result<AgentResponse> AgentResponse::parse(const json::Object& payload) {
  json::ObjectReader reader(payload);
  AgentResponse response{.text = reader.text_or("text", "", body_bytes_max)};
  if (reader.error()) return std::unexpected(*reader.error());
  return response;
}

json::Object AgentResponse::encode() const {
  return {{"text", text}};
}

}  // namespace chatixia::protocol::mesh
