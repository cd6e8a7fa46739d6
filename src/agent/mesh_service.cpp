#include "agent/mesh_service.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace chatixia::agent {
namespace {

namespace mesh = protocol::mesh;

constexpr Log log("agent");

}  // namespace

MeshService::MeshService(net::Loop& loop, Options options, MeshClient& mesh, SkillRunner& skills)
    : loop_(loop), options_(options), mesh_(mesh), skills_(skills) {}

bool MeshService::handle(const PeerId& from, const mesh::Message& message) {
  if (message.type == mesh::type::ping) {
    reply(from, message, mesh::type::pong, {});
  } else if (message.type == mesh::type::skill_query) {
    const auto query = mesh::SkillQuery::parse(message.payload);
    const Skill* const skill = query ? skills_.find(query->skill) : nullptr;
    const mesh::SkillResponse response{.available = skill != nullptr,
                                       .description = skill ? skill->description : ""};
    reply(from, message, mesh::type::skill_response, response.encode());
  } else if (message.type == mesh::type::task_request) {
    on_task(from, message);
  } else {
    return false;
  }
  return true;
}

void MeshService::on_task(const PeerId& from, const mesh::Message& message) {
  const std::pair key(from, message.request_id);
  auto& reply = replies_[key];
  if (reply) return;
  reply = std::make_shared<TaskReply>(loop_, mesh_, TaskReply::Options{}, from,
                                      mesh::Message{.type = message.type,
                                                    .request_id = message.request_id,
                                                    .source_agent = message.source_agent,
                                                    .target_agent = message.target_agent,
                                                    .payload = {}},
                                      [this, key] { replies_.erase(key); });
  const auto to = reply;  // the answer may come, and end the entry, before we return

  auto request = mesh::TaskRequest::parse(message.payload);
  if (!request) return to->answer(fail(Errc::bad_request, request.error().message()));
  const auto asked =
      request->timeout_ms
          ? std::chrono::milliseconds(std::min<std::int64_t>(
                *request->timeout_ms, options_.deadline_max / std::chrono::milliseconds(1)))
          : Duration(options_.deadline_default);
  skills_.run({.skill = std::move(request->skill),
               .args = std::move(request->args),
               .caller = from,
               .caller_agent = message.source_agent,
               .deadline = net::now() + asked,
               .on_chunk =
                   [weak = std::weak_ptr(to)](std::string text, SkillRun::Written written) {
                     const auto open = weak.lock();
                     if (!open) return written(false);
                     open->add_chunk(std::move(text), std::move(written));
                   }},
              [to](Result<json::Value> result) { to->answer(std::move(result)); });
}

void MeshService::reply(const PeerId& to, const mesh::Message& question, std::string_view type,
                        json::Object payload) {
  mesh_.reply(to, question, type, std::move(payload), [to](const Result<void>& sent) {
    if (!sent)
      log.warning("answer not delivered", {{"to", to.value()}, {"why", sent.error().message()}});
  });
}

}  // namespace chatixia::agent
