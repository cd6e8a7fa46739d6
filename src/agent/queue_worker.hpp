#pragma once

#include <deque>
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
    // Tasks that run at a time. Peers, who do not wait, have the rest of the runner's room.
    std::size_t running_max = 16;
    // Tasks that wait here for their turn: the registry assigns without asking.
    std::size_t backlog_max = 1024;
    // How often a full runner is looked at again.
    Duration look_for_room = std::chrono::milliseconds(100);
  };

  // `on_registered` tells how each registration went.
  QueueWorker(net::Loop& loop, Options options, RegistryClient& registry, SkillRunner& skills,
              std::function<void(Result<void>)> on_registered);

  // Registers, and from then on the heart beats.
  void start();
  // Where the agent is reached on the mesh; registers again when that is news.
  void set_peer_id(const PeerId& peer);
  // The registry may have forgotten this agent: tells it again.
  void register_again();
  // No heartbeats from now on. What waits ends with `stopped`; every outcome is handed in.
  void stop();
  // No task and no heartbeat is under way.
  bool is_idle() const { return tasks_.empty() && !is_beating_; }

 private:
  struct Waiting {
    protocol::api::Task task;
    Instant deadline;
  };
  struct Outcome {
    std::string id;
    protocol::api::TaskUpdate update;
    int tries;
  };

  void register_agent();
  void on_answer(Result<void> registered);
  void beat();
  void on_tasks(const Result<std::vector<protocol::api::Task>>& tasks);
  void lose(const char* what, const Error& error);
  void take(const protocol::api::Task& task);
  void run_waiting();
  void run(const Waiting& waiting);
  void finish(const std::string& id, Result<json::Value> result);
  void hand_in(Outcome outcome);
  void hand_in_again();

  Options options_;
  RegistryClient& registry_;
  SkillRunner& skills_;
  std::function<void(Result<void>)> on_registered_;
  PeerId peer_;
  Instant started_;
  bool running_ = false;
  bool is_known_ = false;        // the registry has heard all there is to say
  bool is_complained_ = false;   // the present trouble is in the log
  bool is_registering_ = false;  // one at a time, so that the last word is the newest
  bool has_news_ = false;        // for the registration after this one
  bool is_beating_ = false;
  std::set<std::string> tasks_;  // under way, until their results are handed in
  std::deque<Waiting> backlog_;
  std::size_t tasks_running_ = 0;
  std::vector<Outcome> outcomes_;  // that the registry could not take
  net::Timer timer_;
  net::Timer room_timer_;
  net::Timer retry_timer_;
};

}  // namespace chatixia::agent
