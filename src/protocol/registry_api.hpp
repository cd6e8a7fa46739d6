#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "json/json.hpp"

// Bodies of the registry's HTTP API, requests and answers, as 0.4 agents know them.
namespace chatixia::protocol::api {

// What a client reads as one answer. It nests what a body of json_depth_max brought three deeper:
// {"pending_tasks": [{"payload": ...}]}.
inline constexpr json::Limits answer_limits{.bytes_max = 16 * 1024 * 1024,
                                            .depth_max = limits::json_depth_max + 3};

// POST /api/registry/agents.
struct AgentRegistration {
  std::string agent_id;
  std::string hostname;
  std::string ip;
  std::uint16_t port = 8000;
  std::string sidecar_peer_id;
  json::Object capabilities;  // {skills, mcp_servers, goals_count, mode}
  std::string status = "active";
  std::string mode = "interactive";
  static Result<AgentRegistration> parse(std::string_view body);
  std::string encode() const;
};

// One record of GET /api/registry/agents; times RFC 3339.
struct AgentRecord {
  std::string agent_id;
  std::string hostname;
  std::string ip;
  std::uint16_t port = 8000;
  std::string sidecar_peer_id;
  json::Object capabilities;
  std::string status;
  std::string mode;
  std::string health;  // active, stale, offline
  std::string registered_at;
  std::string last_heartbeat;
  static Result<AgentRecord> from_json(const json::Object& object);
  json::Object to_json() const;
  std::vector<std::string> skills() const;
};

// POST /api/hub/heartbeat.
struct Heartbeat {
  std::string agent_id;
  std::optional<std::string> hostname;
  std::optional<std::string> ip;
  std::optional<std::uint16_t> port;
  std::optional<std::string> status;
  std::optional<std::string> mode;
  std::optional<std::int64_t> skills_count;
  std::optional<std::int64_t> goals_count;
  std::optional<double> uptime_seconds;
  std::optional<std::vector<std::string>> skill_names;
  std::optional<std::string> sidecar_peer_id;
  static Result<Heartbeat> parse(std::string_view body);
  std::string encode() const;
};

// The longest life of a task in seconds: thirty days.
inline constexpr double task_ttl_max = 30.0 * 24 * 3600;

// POST /api/hub/tasks.
struct TaskSubmission {
  std::string skill;
  std::string target_agent_id;
  std::string source_agent_id;
  json::Value payload;  // an object; a missing one is {}
  double ttl = 300;
  static Result<TaskSubmission> parse(std::string_view body);
  std::string encode() const;
};

// POST /api/hub/tasks/{id}.
struct TaskUpdate {
  std::string state;  // assigned, completed, failed
  json::Value result;
  std::string error;
  static Result<TaskUpdate> parse(std::string_view body);
  std::string encode() const;
};

// A task as every answer shows it; times in epoch seconds with fraction.
struct Task {
  std::string id;
  std::string skill;
  std::string target_agent_id;
  std::string source_agent_id;
  std::string assigned_agent_id;
  json::Value payload;
  std::string state = "pending";
  json::Value result;
  std::string error;
  double created_at = 0;
  double updated_at = 0;
  double ttl = 300;
  static Result<Task> from_json(const json::Object& object);
  json::Object to_json() const;
};

// POST /api/token.
struct TokenAnswer {
  std::string token;
  std::string peer_id;
  std::string role;
  static Result<TokenAnswer> parse(std::string_view body);
  std::string encode() const;
};

// GET /api/config.
struct IceServer {
  std::vector<std::string> urls;  // one text in JSON when there is one
  std::string username;
  std::string credential;
};
struct Config {
  std::vector<IceServer> ice_servers;
  static Result<Config> parse(std::string_view body);
  std::string encode() const;
};

// "2026-01-02T03:04:05.678Z".
std::string rfc3339(double epoch_seconds);

}  // namespace chatixia::protocol::api
