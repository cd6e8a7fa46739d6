#include "registry/http_routes.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/version.hpp"
#include "protocol/errors.hpp"
#include "protocol/registry_api.hpp"
#include "registry/errc.hpp"
#include "registry/index_page.hpp"

namespace chatixia::registry {
namespace {

namespace api = protocol::api;

constexpr RoleSet everyone{Role::viewer, Role::agent, Role::operator_, Role::admin};
constexpr RoleSet agents{Role::agent, Role::admin};
constexpr RoleSet members{Role::agent, Role::operator_, Role::admin};

constexpr Access open{everyone, Access::Stranger::welcome};
constexpr Access reading{everyone, Access::Stranger::compatible};
constexpr Access submitting{members, Access::Stranger::compatible};

net::HttpResponse ok_response() {
  return json_response(json::Object{{"status", "ok"}});
}

// Answers once a change is stored.
Store::Done answer_ok(net::HttpResponder respond) {
  return [respond = std::move(respond)](Result<void> stored) mutable {
    respond(stored ? ok_response() : problem_response(stored.error()));
  };
}

void issue_token(const Services& services, Call call) {
  const auto principal = services.authenticator.identify_by_key(call.now, call.request);
  if (!principal) return call.respond(problem_response(principal.error()));
  const api::TokenAnswer answer{.token = services.authenticator.issue(call.now, *principal),
                                .peer_id = principal->peer.value(),
                                .role = std::string(role_name(principal->role))};
  call.respond({.body = answer.encode()});
}

void register_agent(const Services& services, Call call) {
  auto registration = api::AgentRegistration::parse(call.request.body);
  if (!registration) return call.respond(problem_response(registration.error()));
  services.directory.register_agent(call.now, call.principal, *std::move(registration),
                                    answer_ok(std::move(call.respond)));
}

void list_agents(const Services& services, Call call) {
  json::Array list;
  for (const auto& record : services.directory.list(call.now.instant))
    list.push_back(record.to_json());
  call.respond(json_response(list));
}

void show_agent(const Services& services, Call call) {
  const auto record = services.directory.find(call.now.instant, AgentId(call.id));
  call.respond(record ? json_response(record->to_json())
                      : problem_response(Error{Errc::not_found, {}}));
}

void remove_agent(const Services& services, Call call) {
  services.directory.remove(call.principal, AgentId(call.id), answer_ok(std::move(call.respond)));
}

void route_skill(const Services& services, Call call) {
  const std::string skill(call.request.parameter("skill"));
  if (skill.empty())
    return call.respond(problem_response(Error{Errc::invalid, "the query names no skill"}));
  const auto record = services.directory.route(call.now.instant, skill);
  if (record) return call.respond(json_response(record->to_json()));
  auto problem =
      protocol::make_problem(protocol::error_code::not_found, "no agent found with skill");
  problem.hint = "start an agent that has the skill, or submit a task that waits for one";
  call.respond(problem_response(problem, {{"skill", skill}}));
}

void take_heartbeat(const Services& services, Call call) {
  auto heartbeat = api::Heartbeat::parse(call.request.body);
  if (!heartbeat) return call.respond(problem_response(heartbeat.error()));
  const AgentId agent(heartbeat->agent_id);
  const auto answer = [](net::HttpResponder respond) {
    return [respond = std::move(respond)](Result<std::vector<api::Task>> claimed) mutable {
      if (!claimed) return respond(problem_response(claimed.error()));
      json::Array tasks;
      for (const api::Task& task : *claimed) tasks.push_back(task.to_json());
      respond(json_response(json::Object{{"status", "ok"}, {"pending_tasks", std::move(tasks)}}));
    };
  };
  services.directory.heartbeat(
      call.now, call.principal, *std::move(heartbeat),
      [&tasks = services.tasks, now = call.now, principal = call.principal, agent, answer,
       respond = std::move(call.respond)](Result<void> stored) mutable {
        if (!stored) return respond(problem_response(stored.error()));
        tasks.claim(now, principal, agent, answer(std::move(respond)));
      });
}

void submit_task(const Services& services, Call call) {
  auto submission = api::TaskSubmission::parse(call.request.body);
  if (!submission) return call.respond(problem_response(submission.error()));
  services.tasks.submit(
      call.now, call.principal, *std::move(submission),
      [respond = std::move(call.respond)](Result<std::string> id) mutable {
        respond(id ? json_response(json::Object{{"task_id", *id}}) : problem_response(id.error()));
      });
}

void list_tasks(const Services& services, Call call) {
  constexpr std::size_t count_default = 1000;
  constexpr std::size_t count_max = 10'000;
  constexpr std::size_t bytes_max = 8 * 1024 * 1024;
  std::size_t count = count_default;
  if (const std::string_view limit = call.request.parameter("limit"); !limit.empty()) {
    const char* const begin = limit.data();
    const char* const end = begin + limit.size();
    const auto [stop, error] = std::from_chars(begin, end, count);
    if (error != std::errc() || stop != end || count > count_max)
      return call.respond(problem_response(Error{Errc::invalid, "limit must be 0 to 10000"}));
  }

  const auto tasks = services.tasks.list(call.now, count);
  std::vector<std::string> texts;
  std::size_t bytes = 2;
  // Where not all fit into one answer, the newest do.
  for (auto entry = tasks.rbegin(); entry != tasks.rend(); ++entry) {
    texts.push_back(json::encode((*entry)->task.to_json()));
    bytes += texts.back().size() + 1;
    if (bytes > bytes_max) break;
  }
  std::string body;
  body.reserve(bytes);
  for (auto text = texts.rbegin(); text != texts.rend(); ++text)
    (body += body.empty() ? '[' : ',') += *text;
  body += body.empty() ? "[]" : "]";
  call.respond({.body = std::move(body)});
}

void show_task(const Services& services, Call call) {
  const auto task = services.tasks.find(call.now, call.id);
  call.respond(task ? json_response(task->to_json())
                    : problem_response(Error{Errc::not_found, {}}));
}

void update_task(const Services& services, Call call) {
  auto update = api::TaskUpdate::parse(call.request.body);
  if (!update) return call.respond(problem_response(update.error()));
  services.tasks.update(call.now, call.principal, call.id, *std::move(update),
                        answer_ok(std::move(call.respond)));
}

void show_config(const Services& services, Call call) {
  call.respond({.body = services.ice.at(call.now.wall).encode()});
}

void show_topology(const Services& services, Call call) {
  const auto edges = services.signaling.edges();
  std::map<std::string_view, json::Array> neighbours;
  json::Array mesh_edges;
  for (const auto& edge : edges) {
    neighbours[edge.a.value()].emplace_back(edge.b.value());
    neighbours[edge.b.value()].emplace_back(edge.a.value());
    mesh_edges.push_back(json::Object{
        {"from_peer", edge.a.value()}, {"to_peer", edge.b.value()}, {"path", edge.path}});
  }
  json::Array nodes;
  for (const auto& record : services.directory.list(call.now.instant)) {
    const PeerId sidecar(record.sidecar_peer_id);
    nodes.push_back(json::Object{{"agent_id", record.agent_id},
                                 {"ip", record.ip},
                                 {"port", record.port},
                                 {"hostname", record.hostname},
                                 {"sidecar_peer_id", record.sidecar_peer_id},
                                 {"mode", record.mode},
                                 {"skills_count", record.skills().size()},
                                 {"health", record.health},
                                 {"connected", services.signaling.is_connected(sidecar)},
                                 {"mesh_peers", neighbours[record.sidecar_peer_id]}});
  }
  call.respond(json_response(
      json::Object{{"nodes", std::move(nodes)}, {"mesh_edges", std::move(mesh_edges)}}));
}

void show_health(const Services&, Call call) {
  call.respond(ok_response());
}

void show_version(const Services&, Call call) {
  call.respond(json_response(json::Object{{"name", "chatixia-registry"}, {"version", version}}));
}

void show_index(const Services&, Call call) {
  net::HttpResponse response{.content_type = "text/html; charset=utf-8",
                             .body = std::string(index_page)};
  response.headers.emplace("content-security-policy",
                           "default-src 'none'; frame-ancestors 'none'; form-action 'none'");
  call.respond(std::move(response));
}

constexpr auto routes = std::to_array<Route>({
    {"GET", "/", open, show_index},
    {"GET", "/healthz", open, show_health},
    {"GET", "/api/version", open, show_version},
    {"POST", "/api/token", open, issue_token},
    {"GET", "/api/config", reading, show_config},
    {"POST", "/api/registry/agents", {agents}, register_agent},
    {"GET", "/api/registry/agents", reading, list_agents},
    {"GET", "/api/registry/agents/{id}", reading, show_agent},
    {"DELETE", "/api/registry/agents/{id}", {members}, remove_agent},
    {"GET", "/api/registry/route", reading, route_skill},
    {"POST", "/api/hub/heartbeat", {agents}, take_heartbeat},
    {"POST", "/api/hub/tasks", submitting, submit_task},
    {"GET", "/api/hub/tasks/all", reading, list_tasks},
    {"GET", "/api/hub/tasks/{id}", reading, show_task},
    {"POST", "/api/hub/tasks/{id}", {agents}, update_task},
    {"GET", "/api/hub/network/topology", reading, show_topology},
});

}  // namespace

std::span<const Route> http_routes() {
  return routes;
}

net::HttpResponse json_response(const json::Value& value) {
  return {.body = json::encode(value)};
}

net::HttpResponse problem_response(const Error& error) {
  return problem_response(to_problem(error), {});
}

net::HttpResponse problem_response(const protocol::Problem& problem, json::Object more) {
  json::Object body{{"error", problem.message}};
  for (auto& [key, value] : more) body.emplace(key, std::move(value));
  body.emplace("code", problem.code);
  body.emplace("message", problem.message);
  body.emplace("hint", problem.hint);

  net::HttpResponse response{.body = json::encode(body)};
  const int status = protocol::http_status(problem.code);
  response.status = status != 0 ? status : 500;
  if (response.status == 401)
    response.headers.emplace("www-authenticate", R"(Bearer realm="chatixia")");
  return response;
}

}  // namespace chatixia::registry
