#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "json/json.hpp"

// What agents say to each other: one UTF-8 JSON object a DataChannel message. Sidecars pass it on
// as the bytes it came in; only agents read it.
namespace chatixia::protocol::mesh {

namespace type {
inline constexpr std::string_view ping = "ping";
inline constexpr std::string_view pong = "pong";
inline constexpr std::string_view task_request = "task_request";
inline constexpr std::string_view task_response = "task_response";
inline constexpr std::string_view task_stream_chunk = "task_stream_chunk";
inline constexpr std::string_view skill_query = "skill_query";
inline constexpr std::string_view skill_response = "skill_response";
inline constexpr std::string_view agent_status = "agent_status";
inline constexpr std::string_view agent_prompt = "agent_prompt";
inline constexpr std::string_view agent_response = "agent_response";
inline constexpr std::string_view agent_stream_chunk = "agent_stream_chunk";
}  // namespace type

// All but `type` default to empty.
struct Message {
  std::string type;
  std::string request_id;
  std::string source_agent;
  std::string target_agent;
  json::Object payload;

  static Result<Message> parse(std::string_view text);
  std::string encode() const;
  bool operator==(const Message&) const = default;
};

// {"skill", "args", "timeout_ms"}, or 0.4's flat form with the arguments beside "skill".
struct TaskRequest {
  std::string skill;
  json::Object args;
  std::optional<std::int64_t> timeout_ms;
  static Result<TaskRequest> parse(const json::Object& payload);
  json::Object encode() const;
  bool operator==(const TaskRequest&) const = default;
};

// Exactly one of the two is meant; 0.4 sends both keys, one of them empty.
struct TaskResponse {
  std::optional<json::Value> result;
  std::optional<std::string> error;
  std::string code;  // names the error to programs; 0.4 has none
  static Result<TaskResponse> parse(const json::Object& payload);
  json::Object encode() const;
  bool operator==(const TaskResponse&) const = default;
};

// task_stream_chunk and agent_stream_chunk.
struct StreamChunk {
  std::string text;
  bool done = false;
  static Result<StreamChunk> parse(const json::Object& payload);
  json::Object encode() const;
  bool operator==(const StreamChunk&) const = default;
};

struct SkillQuery {
  std::string skill;
  static Result<SkillQuery> parse(const json::Object& payload);
  json::Object encode() const;
  bool operator==(const SkillQuery&) const = default;
};

struct SkillResponse {
  bool available = false;
  std::string description;
  static Result<SkillResponse> parse(const json::Object& payload);
  json::Object encode() const;
  bool operator==(const SkillResponse&) const = default;
};

// "thinking", "acting" or "idle"; other words are kept as they are.
struct AgentStatus {
  std::string status;
  static Result<AgentStatus> parse(const json::Object& payload);
  json::Object encode() const;
  bool operator==(const AgentStatus&) const = default;
};

// {"text", "session_id"}; 0.4 sends {"message", "direct"} or {"message", "broadcast"}.
struct AgentPrompt {
  std::string text;
  std::string session_id;
  bool broadcast = false;
  static Result<AgentPrompt> parse(const json::Object& payload);
  json::Object encode() const;
  bool operator==(const AgentPrompt&) const = default;
};

struct AgentResponse {
  std::string text;
  static Result<AgentResponse> parse(const json::Object& payload);
  json::Object encode() const;
  bool operator==(const AgentResponse&) const = default;
};

}  // namespace chatixia::protocol::mesh
