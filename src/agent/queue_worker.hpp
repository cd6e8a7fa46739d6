#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agent/registry_client.hpp"
#include "agent/skill_runner.hpp"

namespace chatixia::agent {

// The agent's place at the registry: says who it is, sends heartbeats, and runs the tasks that
// they bring. Belongs to the loop's thread.
class QueueWorker {
 public:
  struct Options {
    AgentId self;
    std::string hostname;
    std::string mode = "interactive";
    Duration heartbeat_interval = std::chrono::seconds(30);
    // After a heartbeat that did not get through, and between tries to hand in a result.
    Duration retry_after = std::chrono::seconds(2);
    int result_tries = 5;
  };

  // `on_registered` tells how each registration went.
  QueueWorker(net::Loop& loop, Options options, RegistryClient& registry, SkillRunner& skills,
              std::function<void(Result<void>)> on_registered);

  // Registers, and from then on the heart beats.
  void start();
  // Where the agent is reached on the mesh; registers again when that is news.
  void set_peer_id(const PeerId& peer);
  void stop();

 private:
  void register_agent();
  void beat();
  void run(const protocol::api::Task& task);
  void hand_in(const std::string& id, const protocol::api::TaskUpdate& update, int tries);
  void hand_in_waiting();

  Options options_;
  RegistryClient& registry_;
  SkillRunner& skills_;
  std::function<void(Result<void>)> on_registered_;
  PeerId peer_;
  Instant started_;
  bool running_ = false;
  bool is_lost_ = false;         // the last heartbeat did not get through
  std::set<std::string> tasks_;  // under way, until their results are handed in
  net::Timer timer_;
  struct Waiting {
    std::string id;
    protocol::api::TaskUpdate update;
    int tries;
  };
  std::vector<Waiting> waiting_;  // results that the registry could not take
  net::Timer retry_timer_;
};

}  // namespace chatixia::agent
