#include "agent/queue_worker.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace chatixia::agent {
namespace {

namespace api = protocol::api;

constexpr Log log("agent");

}  // namespace

QueueWorker::QueueWorker(net::Loop& loop, Options options, RegistryClient& registry,
                         SkillRunner& skills, std::function<void(Result<void>)> on_registered)
    : options_(std::move(options)),
      registry_(registry),
      skills_(skills),
      on_registered_(std::move(on_registered)),
      started_(net::now()),
      timer_(loop, [this] { beat(); }),
      retry_timer_(loop, [this] { hand_in_waiting(); }) {}

void QueueWorker::start() {
  running_ = true;
  register_agent();
  beat();
}

void QueueWorker::set_peer_id(const PeerId& peer) {
  if (peer == peer_) return;
  peer_ = peer;
  if (running_) register_agent();
}

void QueueWorker::stop() {
  running_ = false;
  timer_.cancel();
  retry_timer_.cancel();
}

void QueueWorker::register_agent() {
  const std::vector<std::string> names = skills_.names();
  const api::AgentRegistration agent{
      .agent_id = options_.self.value(),
      .hostname = options_.hostname,
      .ip = {},
      .sidecar_peer_id = peer_.value(),
      .capabilities = {{"skills", json::Array(names.begin(), names.end())},
                       {"mcp_servers", json::Array()},
                       {"goals_count", 0},
                       {"mode", options_.mode}},
      .status = "active",
      .mode = options_.mode};
  registry_.register_agent(agent, [this](Result<void> registered) {
    if (registered) {
      log.info("registered", {{"agent", options_.self.value()}, {"peer", peer_.value()}});
    } else {
      log.warning("not registered", {{"why", registered.error().message()}});
    }
    on_registered_(std::move(registered));
  });
}

void QueueWorker::beat() {
  if (!running_) return;
  api::Heartbeat heartbeat{.agent_id = options_.self.value()};
  heartbeat.hostname = options_.hostname;
  heartbeat.status = "active";
  heartbeat.mode = options_.mode;
  heartbeat.skill_names = skills_.names();
  heartbeat.skills_count = static_cast<std::int64_t>(heartbeat.skill_names->size());
  heartbeat.goals_count = 0;
  heartbeat.uptime_seconds = std::chrono::duration<double>(net::now() - started_).count();
  if (!peer_.value().empty()) heartbeat.sidecar_peer_id = peer_.value();

  registry_.heartbeat(heartbeat, [this](const Result<std::vector<api::Task>>& tasks) {
    if (!running_) return;
    const bool was_lost = std::exchange(is_lost_, !tasks.has_value());
    if (!tasks) {
      if (!was_lost) log.warning("heartbeat failed", {{"why", tasks.error().message()}});
      return timer_.expires_after(std::min(options_.retry_after, options_.heartbeat_interval));
    }
    timer_.expires_after(options_.heartbeat_interval);
    // A registry that was away may have forgotten us; only a registration says everything.
    if (was_lost) register_agent();
    for (const api::Task& task : *tasks) run(task);
  });
}

void QueueWorker::run(const api::Task& task) {
  if (!tasks_.insert(task.id).second) return;
  const auto life = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::clamp(task.ttl, 0.0, api::task_ttl_max)));
  skills_.run({.skill = task.skill,
               .args = task.payload.is_object() ? task.payload.get_object() : json::Object(),
               .caller = {},
               .caller_agent = task.source_agent_id,
               // The registry knows when the task began and ends it itself; clocks differ.
               .deadline = net::now() + life,
               .on_chunk = {}},
              [this, id = task.id](Result<json::Value> result) {
                api::TaskUpdate update;
                if (result) {
                  update = {.state = "completed", .result = std::move(*result), .error = {}};
                } else {
                  update = {.state = "failed", .result = {}, .error = to_text(result.error())};
                }
                hand_in(id, update, options_.result_tries);
              });
}

void QueueWorker::hand_in(const std::string& id, const api::TaskUpdate& update, int tries) {
  registry_.update_task(id, update, [this, id, update, tries](const Result<void>& taken) {
    const bool try_again = !taken && taken.error().code == Errc::unavailable && tries > 1;
    if (!try_again || !running_) {
      tasks_.erase(id);
      if (!taken)
        log.warning("result not handed in", {{"task", id}, {"why", taken.error().message()}});
      return;
    }
    waiting_.push_back({.id = id, .update = update, .tries = tries - 1});
    if (waiting_.size() == 1) retry_timer_.expires_after(options_.retry_after);
  });
}

void QueueWorker::hand_in_waiting() {
  for (const Waiting& result : std::exchange(waiting_, {}))
    hand_in(result.id, result.update, result.tries);
}

}  // namespace chatixia::agent
