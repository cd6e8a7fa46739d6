#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "agent/mesh_client.hpp"
#include "agent/skill_runner.hpp"
#include "agent/task_reply.hpp"

namespace chatixia::agent {

// Answers what peers ask of this agent: ping, skill_query, task_request. Belongs to the loop's
// thread.
class MeshService {
 public:
  struct Options {
    // For requests that name no deadline, and the most that a request can ask for.
    Duration deadline_default = std::chrono::minutes(5);
    Duration deadline_max = std::chrono::hours(24);
  };

  MeshService(net::Loop& loop, Options options, MeshClient& mesh, SkillRunner& skills);

  // False when the message is no question of these kinds.
  bool handle(const PeerId& from, const protocol::mesh::Message& message);
  // Every task that was asked for has its answer.
  bool is_idle() const { return replies_.empty(); }

 private:
  void on_task(const PeerId& from, const protocol::mesh::Message& message);
  void reply(const PeerId& to, const protocol::mesh::Message& question, std::string_view type,
             json::Object payload);

  net::Loop& loop_;
  Options options_;
  MeshClient& mesh_;
  SkillRunner& skills_;
  // By peer and request id: a request that comes again while it runs is one request.
  std::map<std::pair<PeerId, std::string>, std::shared_ptr<TaskReply>> replies_;
};

}  // namespace chatixia::agent
