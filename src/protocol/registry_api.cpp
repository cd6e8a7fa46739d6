#include "protocol/registry_api.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "base/limits.hpp"

namespace chatixia::protocol::api {
namespace {

constexpr json::Limits body_limits = {.bytes_max = limits::http_body_bytes_max};
constexpr std::size_t text_bytes_max = limits::http_body_bytes_max;
constexpr std::size_t skills_max = 1024;
constexpr double seconds_max = 1e12;

json::Object object_or_empty(json::ObjectReader& reader, std::string_view key) {
  const json::Object* const object = reader.object_or_null(key);
  return object ? *object : json::Object();
}

std::uint16_t port_or(json::ObjectReader& reader, std::uint16_t fallback) {
  return static_cast<std::uint16_t>(reader.integer_or("port", fallback, 0, 0xffff));
}

// Reads a body with `read`, which takes an ObjectReader; the first problem refuses it all.
template <class Read>
auto parse_with(std::string_view body, Read read)
    -> Result<decltype(read(std::declval<json::ObjectReader&>()))> {
  const auto object = json::parse_object(body, body_limits);
  if (!object) return std::unexpected(object.error());
  json::ObjectReader reader(*object);
  auto value = read(reader);
  if (reader.error()) return std::unexpected(*reader.error());
  return value;
}

// Whole seconds print without a fraction, as 0.4 registries print a ttl.
json::Value seconds(double value) {
  const auto whole = static_cast<std::int64_t>(value);
  if (static_cast<double>(whole) == value) return whole;
  return value;
}

json::Value texts(const std::vector<std::string>& list) {
  return json::Array(list.begin(), list.end());
}

std::optional<std::int64_t> optional_count(json::ObjectReader& reader, std::string_view key) {
  const std::int64_t count = reader.integer_or(key, -1, 0, std::int64_t{1} << 53);
  if (count < 0) return std::nullopt;
  return count;
}

}  // namespace

Result<AgentRegistration> AgentRegistration::parse(std::string_view body) {
  return parse_with(body, [](json::ObjectReader& reader) {
    AgentRegistration agent;
    agent.agent_id = reader.text("agent_id");
    agent.hostname = reader.text("hostname");
    agent.ip = reader.text_or("ip", "");
    agent.port = port_or(reader, agent.port);
    agent.sidecar_peer_id = reader.text_or("sidecar_peer_id", "");
    agent.capabilities = object_or_empty(reader, "capabilities");
    agent.status = reader.text_or("status", agent.status);
    agent.mode = reader.text_or("mode", agent.mode);
    return agent;
  });
}

std::string AgentRegistration::encode() const {
  return json::encode(json::Object{{"agent_id", agent_id},
                                   {"hostname", hostname},
                                   {"ip", ip},
                                   {"port", port},
                                   {"sidecar_peer_id", sidecar_peer_id},
                                   {"capabilities", capabilities},
                                   {"status", status},
                                   {"mode", mode}});
}

Result<AgentRecord> AgentRecord::from_json(const json::Object& object) {
  json::ObjectReader reader(object);
  AgentRecord agent;
  agent.agent_id = reader.text("agent_id");
  agent.hostname = reader.text_or("hostname", "");
  agent.ip = reader.text_or("ip", "");
  agent.port = port_or(reader, agent.port);
  agent.sidecar_peer_id = reader.text_or("sidecar_peer_id", "");
  agent.capabilities = object_or_empty(reader, "capabilities");
  agent.status = reader.text_or("status", "");
  agent.mode = reader.text_or("mode", "");
  agent.health = reader.text_or("health", "");
  agent.registered_at = reader.text_or("registered_at", "");
  agent.last_heartbeat = reader.text_or("last_heartbeat", "");
  if (reader.error()) return std::unexpected(*reader.error());
  return agent;
}

json::Object AgentRecord::to_json() const {
  return {{"agent_id", agent_id},
          {"hostname", hostname},
          {"ip", ip},
          {"port", port},
          {"sidecar_peer_id", sidecar_peer_id},
          {"capabilities", capabilities},
          {"status", status},
          {"mode", mode},
          {"health", health},
          {"registered_at", registered_at},
          {"last_heartbeat", last_heartbeat}};
}

std::vector<std::string> AgentRecord::skills() const {
  json::ObjectReader reader(capabilities);
  return reader.texts_or_empty("skills", skills_max);
}

Result<Heartbeat> Heartbeat::parse(std::string_view body) {
  return parse_with(body, [](json::ObjectReader& reader) {
    Heartbeat beat;
    beat.agent_id = reader.text("agent_id");
    beat.hostname = reader.optional_text("hostname");
    beat.ip = reader.optional_text("ip");
    if (const auto port = reader.integer_or("port", -1, 0, 0xffff); port >= 0)
      beat.port = static_cast<std::uint16_t>(port);
    beat.status = reader.optional_text("status");
    beat.mode = reader.optional_text("mode");
    beat.skills_count = optional_count(reader, "skills_count");
    beat.goals_count = optional_count(reader, "goals_count");
    if (const double uptime = reader.number_or("uptime_seconds", -1, 0, seconds_max); uptime >= 0)
      beat.uptime_seconds = uptime;
    if (!reader.value_or_null("skill_names").is_null())
      beat.skill_names = reader.texts_or_empty("skill_names", skills_max);
    beat.sidecar_peer_id = reader.optional_text("sidecar_peer_id");
    return beat;
  });
}

std::string Heartbeat::encode() const {
  json::Object object{{"agent_id", agent_id}};
  const auto add = [&](std::string_view key, const auto& value) {
    if (value) object[key] = *value;
  };
  add("hostname", hostname);
  add("ip", ip);
  add("port", port);
  add("status", status);
  add("mode", mode);
  add("skills_count", skills_count);
  add("goals_count", goals_count);
  add("uptime_seconds", uptime_seconds);
  if (skill_names) object["skill_names"] = texts(*skill_names);
  add("sidecar_peer_id", sidecar_peer_id);
  return json::encode(object);
}

Result<TaskSubmission> TaskSubmission::parse(std::string_view body) {
  return parse_with(body, [](json::ObjectReader& reader) {
    TaskSubmission task;
    task.skill = reader.text_or("skill", "");
    task.target_agent_id = reader.text_or("target_agent_id", "");
    task.source_agent_id = reader.text_or("source_agent_id", "");
    task.payload = object_or_empty(reader, "payload");
    task.ttl = reader.number_or("ttl", task.ttl, 0, task_ttl_max);
    return task;
  });
}

std::string TaskSubmission::encode() const {
  return json::encode(
      json::Object{{"skill", skill},
                   {"target_agent_id", target_agent_id},
                   {"source_agent_id", source_agent_id},
                   {"payload", payload.is_null() ? json::Value(json::Object()) : payload},
                   {"ttl", seconds(ttl)}});
}

Result<TaskUpdate> TaskUpdate::parse(std::string_view body) {
  auto update = parse_with(body, [](json::ObjectReader& reader) {
    TaskUpdate parsed;
    parsed.state = reader.text("state");
    parsed.result = reader.value_or_null("result");
    parsed.error = reader.text_or("error", "", text_bytes_max);
    return parsed;
  });
  constexpr std::array<std::string_view, 3> states = {"assigned", "completed", "failed"};
  if (update && std::ranges::find(states, update->state) == states.end())
    return fail(ParseError::bad_value, "\"state\"");
  return update;
}

std::string TaskUpdate::encode() const {
  json::Object object{{"state", state}};
  if (!result.is_null()) object["result"] = result;
  if (!error.empty()) object["error"] = error;
  return json::encode(object);
}

Result<Task> Task::from_json(const json::Object& object) {
  json::ObjectReader reader(object);
  Task task;
  task.id = reader.text("id");
  task.skill = reader.text_or("skill", "");
  task.target_agent_id = reader.text_or("target_agent_id", "");
  task.source_agent_id = reader.text_or("source_agent_id", "");
  task.assigned_agent_id = reader.text_or("assigned_agent_id", "");
  task.payload = object_or_empty(reader, "payload");
  task.state = reader.text_or("state", task.state);
  task.result = reader.value_or_null("result");
  task.error = reader.text_or("error", "", text_bytes_max);
  task.created_at = reader.number_or("created_at", 0, -seconds_max, seconds_max);
  task.updated_at = reader.number_or("updated_at", 0, -seconds_max, seconds_max);
  task.ttl = reader.number_or("ttl", task.ttl, 0, seconds_max);
  if (reader.error()) return std::unexpected(*reader.error());
  return task;
}

json::Object Task::to_json() const {
  return {{"id", id},
          {"skill", skill},
          {"target_agent_id", target_agent_id},
          {"source_agent_id", source_agent_id},
          {"assigned_agent_id", assigned_agent_id},
          {"payload", payload.is_null() ? json::Value(json::Object()) : payload},
          {"state", state},
          {"result", result},
          {"error", error},
          {"created_at", created_at},
          {"updated_at", updated_at},
          {"ttl", seconds(ttl)}};
}

Result<TokenAnswer> TokenAnswer::parse(std::string_view body) {
  return parse_with(body, [](json::ObjectReader& reader) {
    constexpr std::size_t token_bytes_max = 8192;
    TokenAnswer answer;
    answer.token = reader.text("token", token_bytes_max);
    answer.peer_id = reader.text("peer_id");
    answer.role = reader.text_or("role", "");
    return answer;
  });
}

std::string TokenAnswer::encode() const {
  return json::encode(json::Object{{"token", token}, {"peer_id", peer_id}, {"role", role}});
}

namespace {

Result<IceServer> ice_server(const json::Value& value) {
  constexpr std::size_t urls_max = 16;
  constexpr std::size_t url_bytes_max = 1024;
  if (!value.is_object()) return fail(ParseError::bad_value, "\"iceServers\"");
  json::ObjectReader reader(value.get_object());
  IceServer server;
  const json::Value urls = reader.value_or_null("urls");
  if (urls.is_array()) {
    server.urls = reader.texts_or_empty("urls", urls_max, url_bytes_max);
  } else {
    server.urls.push_back(reader.text("urls", url_bytes_max));
  }
  server.username = reader.text_or("username", "", url_bytes_max);
  server.credential = reader.text_or("credential", "", url_bytes_max);
  if (reader.error()) return std::unexpected(*reader.error());
  return server;
}

}  // namespace

Result<Config> Config::parse(std::string_view body) {
  constexpr std::size_t servers_max = 32;
  const auto object = json::parse_object(body, body_limits);
  if (!object) return std::unexpected(object.error());
  const json::Value servers = json::ObjectReader(*object).value_or_null("iceServers");
  Config config;
  if (servers.is_null()) return config;
  if (!servers.is_array()) return fail(ParseError::bad_value, "\"iceServers\"");
  if (servers.get_array().size() > servers_max)
    return fail(ParseError::too_large, "\"iceServers\"");
  for (const json::Value& element : servers.get_array()) {
    auto server = ice_server(element);
    if (!server) return std::unexpected(std::move(server.error()));
    config.ice_servers.push_back(std::move(*server));
  }
  return config;
}

std::string Config::encode() const {
  json::Array servers;
  for (const IceServer& server : ice_servers) {
    json::Object object{
        {"urls", server.urls.size() == 1 ? json::Value(server.urls.front()) : texts(server.urls)}};
    if (!server.username.empty()) object["username"] = server.username;
    if (!server.credential.empty()) object["credential"] = server.credential;
    servers.push_back(std::move(object));
  }
  return json::encode(json::Object{{"iceServers", std::move(servers)}});
}

std::string rfc3339(double epoch_seconds) {
  // Four-digit years are all the format has.
  constexpr double first = -62'167'219'200.0;
  constexpr double last = 253'402'300'799.999;
  const double inside = std::isnan(epoch_seconds) ? 0.0 : std::clamp(epoch_seconds, first, last);
  // Half a microsecond makes up for decimal fractions that doubles hold a little too small.
  const std::chrono::sys_time<std::chrono::milliseconds> time{
      std::chrono::milliseconds(static_cast<std::int64_t>(std::floor(inside * 1000 + 0.0005)))};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

}  // namespace chatixia::protocol::api
