#include "agent/mesh_service.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace chatixia::agent {
namespace {

namespace mesh = protocol::mesh;

constexpr Log log("agent");

// Answers that cannot be delivered have nobody left to tell.
MeshClient::Callback<void> log_failure(const PeerId& to) {
  return [to](const Result<void>& sent) {
    if (!sent)
      log.warning("answer not delivered", {{"to", to.value()}, {"why", sent.error().message()}});
  };
}

}  // namespace

MeshService::MeshService(Options options, MeshClient& mesh, SkillRunner& skills)
    : options_(std::move(options)), mesh_(mesh), skills_(skills) {}

bool MeshService::handle(const PeerId& from, const mesh::Message& message) {
  if (message.type == mesh::type::ping) {
    reply(from, message, mesh::type::pong, {}, log_failure(from));
  } else if (message.type == mesh::type::skill_query) {
    const auto query = mesh::SkillQuery::parse(message.payload);
    const Skill* const skill = query ? skills_.find(query->skill) : nullptr;
    const mesh::SkillResponse response{.available = skill != nullptr,
                                       .description = skill ? skill->description : ""};
    reply(from, message, mesh::type::skill_response, response.encode(), log_failure(from));
  } else if (message.type == mesh::type::task_request) {
    on_task(from, message);
  } else {
    return false;
  }
  return true;
}

void MeshService::on_task(const PeerId& from, const mesh::Message& message) {
  auto request = mesh::TaskRequest::parse(message.payload);
  if (!request) return respond(from, message, fail(Errc::bad_request, request.error().message()));
  const std::pair key(from, message.request_id);
  if (!running_.insert(key).second) return;

  const auto asked =
      request->timeout_ms
          ? std::chrono::milliseconds(std::min<std::int64_t>(
                *request->timeout_ms, options_.deadline_max / std::chrono::milliseconds(1)))
          : Duration(options_.deadline_default);
  const mesh::Message question{.type = message.type,
                               .request_id = message.request_id,
                               .source_agent = message.source_agent,
                               .target_agent = message.target_agent,
                               .payload = {}};
  skills_.run({.skill = std::move(request->skill),
               .args = std::move(request->args),
               .caller = from,
               .caller_agent = message.source_agent,
               .deadline = net::now() + asked,
               .on_chunk =
                   [this, from, question](std::string text, std::function<void()> written) {
                     const mesh::StreamChunk chunk{.text = std::move(text), .done = false};
                     reply(from, question, mesh::type::task_stream_chunk, chunk.encode(),
                           [written = std::move(written)](const Result<void>&) { written(); });
                   }},
              [this, from, question, key](Result<json::Value> result) {
                running_.erase(key);
                respond(from, question, std::move(result));
              });
}

void MeshService::respond(const PeerId& to, const mesh::Message& question,
                          Result<json::Value> result) {
  mesh::TaskResponse response;
  if (result) {
    response.result = std::move(*result);
  } else {
    response.error = to_text(result.error());
  }
  const bool had_result = response.result.has_value();
  reply(to, question, mesh::type::task_response, response.encode(),
        [this, to, question, had_result](const Result<void>& sent) {
          if (!sent && had_result && sent.error().code == Errc::message_too_large)
            return respond(to, question, std::unexpected(sent.error()));
          log_failure(to)(sent);
        });
}

void MeshService::reply(const PeerId& to, const mesh::Message& question, std::string_view type,
                        json::Object payload, MeshClient::Callback<void> done) {
  mesh_.send(to,
             {.type = std::string(type),
              .request_id = question.request_id,
              .source_agent = options_.self.value(),
              .target_agent = question.source_agent,
              .payload = std::move(payload)},
             std::move(done));
}

}  // namespace chatixia::agent
