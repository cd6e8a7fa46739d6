#include "agent/registry_client.hpp"

#include <fmt/format.h>

namespace chatixia::agent {
namespace {

namespace api = protocol::api;

constexpr std::size_t pending_tasks_max = 1024;

Errc errc_of_status(int status) {
  switch (status) {
    case 401:
      return Errc::unauthorized;
    case 403:
      return Errc::forbidden;
    case 404:
      return Errc::not_found;
    case 409:
      return Errc::conflict;
    case 413:
      return Errc::message_too_large;
    case 429:
      return Errc::too_many_requests;
    case 502:
    case 503:
    case 504:
      return Errc::unavailable;
    default:
      return status >= 500 ? Errc::internal : Errc::bad_request;
  }
}

std::string text_or(const json::Object& object, std::string_view key, std::string fallback) {
  const json::Value* const value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : fallback;
}

// The object of a good answer. Registries of the 0.4 series say {"error": "not found"} with
// status 200, where a record would have an id.
Result<json::Object> read_answer(const net::HttpResponse& response) {
  auto body = json::parse_object(response.body, api::answer_limits);
  if (response.status >= 400) {
    const std::string reason = body ? text_or(*body, "message", text_or(*body, "error", "")) : "";
    return fail(errc_of_status(response.status),
                fmt::format("the registry answered {}{}{}", response.status,
                            reason.empty() ? "" : ": ", reason));
  }
  if (!body) return fail(Errc::internal, "the registry's answer: " + body.error().message());
  if (body->contains("error") && !body->contains("id") && !body->contains("agent_id"))
    return fail(Errc::not_found, text_or(*body, "error", ""));
  return body;
}

Error not_understood(const Error& error) {
  return {Errc::internal, "the registry's answer: " + error.message()};
}

// A callback that takes the answer as `read` understands it.
template <class T, class Read>
std::function<void(Result<json::Object>)> reading(Read read, RegistryClient::Callback<T> done) {
  return [read, done = std::move(done)](Result<json::Object> answer) {
    if (!answer) return done(std::unexpected(std::move(answer.error())));
    Result<T> value = read(*answer);
    if (!value) return done(std::unexpected(not_understood(value.error())));
    done(std::move(value));
  };
}

Result<void> nothing(const json::Object&) {
  return {};
}

Result<std::vector<api::Task>> pending_tasks(const json::Object& answer) {
  std::vector<api::Task> tasks;
  const json::Value* const list = answer.if_contains("pending_tasks");
  if (!list || list->is_null()) return tasks;
  if (!list->is_array()) return fail(ParseError::bad_value, "\"pending_tasks\"");
  if (list->get_array().size() > pending_tasks_max)
    return fail(ParseError::too_large, "\"pending_tasks\"");
  for (const json::Value& element : list->get_array()) {
    if (!element.is_object()) return fail(ParseError::bad_value, "\"pending_tasks\"");
    auto task = api::Task::from_json(element.get_object());
    if (!task) return std::unexpected(std::move(task.error()));
    tasks.push_back(std::move(*task));
  }
  return tasks;
}

Result<std::string> task_id(const json::Object& answer) {
  json::ObjectReader reader(answer);
  std::string id = reader.text("task_id");
  if (reader.error()) return std::unexpected(*reader.error());
  return id;
}

}  // namespace

RegistryClient::RegistryClient(net::Loop& loop, Options options)
    : loop_(loop), options_(std::move(options)) {
  // The URL may have a path in front of the API's.
  while (options_.url.target.ends_with('/')) options_.url.target.pop_back();
}

void RegistryClient::register_agent(const api::AgentRegistration& agent, Callback<void> done) {
  call("POST", "/api/registry/agents", agent.encode(), reading<void>(nothing, std::move(done)));
}

void RegistryClient::heartbeat(const api::Heartbeat& heartbeat,
                               Callback<std::vector<api::Task>> done) {
  call("POST", "/api/hub/heartbeat", heartbeat.encode(),
       reading<std::vector<api::Task>>(pending_tasks, std::move(done)));
}

void RegistryClient::find_agent(const AgentId& agent, Callback<api::AgentRecord> done) {
  call("GET", "/api/registry/agents/" + percent_encode(agent.value()), {},
       reading<api::AgentRecord>(api::AgentRecord::from_json, std::move(done)));
}

void RegistryClient::find_route(const std::string& skill, Callback<api::AgentRecord> done) {
  call("GET", "/api/registry/route?skill=" + percent_encode(skill), {},
       reading<api::AgentRecord>(api::AgentRecord::from_json, std::move(done)));
}

void RegistryClient::submit_task(const api::TaskSubmission& task, Callback<std::string> done) {
  call("POST", "/api/hub/tasks", task.encode(), reading<std::string>(task_id, std::move(done)));
}

void RegistryClient::find_task(const std::string& id, Callback<api::Task> done) {
  call("GET", "/api/hub/tasks/" + percent_encode(id), {},
       reading<api::Task>(api::Task::from_json, std::move(done)));
}

void RegistryClient::update_task(const std::string& id, const api::TaskUpdate& update,
                                 Callback<void> done) {
  call("POST", "/api/hub/tasks/" + percent_encode(id), update.encode(),
       reading<void>(nothing, std::move(done)));
}

void RegistryClient::call(std::string method, std::string target, std::string body,
                          Callback<json::Object> done) {
  net::HttpCall call{.method = std::move(method),
                     .url = options_.url,
                     .headers = {},
                     .body = std::move(body),
                     .timeout = options_.timeout,
                     .body_bytes_max = api::answer_limits.bytes_max};
  call.url.target += target;
  if (!options_.api_key.empty()) call.headers.emplace("x-api-key", options_.api_key);
  if (!call.body.empty()) call.headers.emplace("content-type", "application/json");
  net::http_request(
      loop_, std::move(call),
      [alive = std::weak_ptr(alive_), done = std::move(done)](Result<net::HttpResponse> response) {
        if (alive.expired()) return;
        if (!response) return done(fail(Errc::unavailable, response.error().message()));
        done(read_answer(*response));
      });
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace chatixia::agent
