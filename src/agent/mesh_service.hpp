#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>

#include "agent/mesh_client.hpp"
#include "agent/skill_runner.hpp"

namespace chatixia::agent {

// Answers what peers ask of this agent: ping, skill_query, task_request. Belongs to the loop's
// thread.
class MeshService {
 public:
  struct Options {
    AgentId self;
    // For requests that name no deadline, and the most that a request can ask for.
    Duration deadline_default = std::chrono::minutes(5);
    Duration deadline_max = std::chrono::hours(24);
  };

  MeshService(Options options, MeshClient& mesh, SkillRunner& skills);

  // False when the message is no question of these kinds.
  bool handle(const PeerId& from, const protocol::mesh::Message& message);

 private:
  void on_task(const PeerId& from, const protocol::mesh::Message& message);
  void respond(const PeerId& to, const protocol::mesh::Message& question,
               Result<json::Value> result);
  void reply(const PeerId& to, const protocol::mesh::Message& question, std::string_view type,
             json::Object payload, MeshClient::Callback<void> done);

  Options options_;
  MeshClient& mesh_;
  SkillRunner& skills_;
  // A request that comes again while it runs is one request.
  std::set<std::pair<PeerId, std::string>> running_;
};

}  // namespace chatixia::agent
