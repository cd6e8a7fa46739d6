#include "agent/queue_worker.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace chatixia::agent {
namespace {

namespace api = protocol::api;

constexpr Log log("agent");

// What a second try may cure.
bool is_passing(const Error& error) {
  return error.code == Errc::unavailable || error.code == Errc::too_many_requests ||
         error.code == Errc::internal;
}

api::TaskUpdate to_update(Result<json::Value> result) {
  if (!result) return {.state = "failed", .result = {}, .error = to_text(result.error())};
  return {.state = "completed", .result = std::move(*result), .error = {}};
}

}  // namespace

QueueWorker::QueueWorker(net::Loop& loop, Options options, RegistryClient& registry,
                         SkillRunner& skills, std::function<void(Result<void>)> on_registered)
    : options_(std::move(options)),
      registry_(registry),
      skills_(skills),
      on_registered_(std::move(on_registered)),
      started_(net::now()),
      timer_(loop, [this] { beat(); }),
      room_timer_(loop, [this] { run_waiting(); }),
      retry_timer_(loop, [this] { hand_in_again(); }) {}

void QueueWorker::start() {
  running_ = true;
  register_agent();
  beat();
}

void QueueWorker::set_peer_id(const PeerId& peer) {
  if (peer == peer_) return;
  peer_ = peer;
  register_again();
}

void QueueWorker::register_again() {
  if (running_) register_agent();
}

void QueueWorker::stop() {
  running_ = false;
  timer_.cancel();
  room_timer_.cancel();
  retry_timer_.cancel();
  for (const Waiting& waiting : std::exchange(backlog_, {}))
    finish(waiting.task.id, fail(Errc::stopped));
  hand_in_again();
}

void QueueWorker::register_agent() {
  if (std::exchange(is_registering_, true)) {
    has_news_ = true;
    return;
  }
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
  registry_.register_agent(agent,
                           [this](Result<void> registered) { on_answer(std::move(registered)); });
}

void QueueWorker::on_answer(Result<void> registered) {
  is_registering_ = false;
  if (std::exchange(has_news_, false) && running_) return register_agent();
  if (registered) {
    is_known_ = true;
    is_complained_ = false;
    log.info("registered", {{"agent", options_.self.value()}, {"peer", peer_.value()}});
  } else {
    lose("not registered", registered.error());
  }
  on_registered_(std::move(registered));
}

// Another heartbeat follows soon, and behind it a registration.
void QueueWorker::lose(const char* what, const Error& error) {
  is_known_ = false;
  if (!std::exchange(is_complained_, true)) log.warning(what, {{"why", error.message()}});
  if (running_) timer_.expires_after(std::min(options_.retry_after, options_.heartbeat_interval));
}

void QueueWorker::beat() {
  if (!running_ || std::exchange(is_beating_, true)) return;
  api::Heartbeat heartbeat{.agent_id = options_.self.value()};
  heartbeat.hostname = options_.hostname;
  heartbeat.status = "active";
  heartbeat.mode = options_.mode;
  heartbeat.skill_names = skills_.names();
  heartbeat.skills_count = static_cast<std::int64_t>(heartbeat.skill_names->size());
  heartbeat.goals_count = 0;
  heartbeat.uptime_seconds = std::chrono::duration<double>(net::now() - started_).count();
  if (!peer_.value().empty()) heartbeat.sidecar_peer_id = peer_.value();
  registry_.heartbeat(heartbeat,
                      [this](const Result<std::vector<api::Task>>& tasks) { on_tasks(tasks); });
}

void QueueWorker::on_tasks(const Result<std::vector<api::Task>>& tasks) {
  is_beating_ = false;
  if (!tasks) {
    lose("heartbeat failed", tasks.error());
    // This registry wants to be told who we are before it takes a heartbeat.
    if (tasks.error().code == Errc::not_found) register_again();
    return;
  }
  if (running_) timer_.expires_after(options_.heartbeat_interval);
  // A registry that was away may have forgotten us; only a registration says everything.
  if (!is_known_ && !is_registering_) register_again();
  // What comes after stop() is ours too, and is refused, so that nobody waits for it.
  for (const api::Task& task : *tasks) take(task);
}

void QueueWorker::take(const api::Task& task) {
  if (!tasks_.insert(task.id).second) return;
  if (!running_) return finish(task.id, fail(Errc::stopped));
  if (backlog_.size() >= options_.backlog_max)
    return finish(task.id, fail(Errc::too_many_requests, "the agent is busy"));
  const auto life = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::clamp(task.ttl, 0.0, api::task_ttl_max)));
  // The registry knows when the task began and ends it itself; clocks differ.
  backlog_.push_back({.task = task, .deadline = net::now() + life});
  room_timer_.expires_after({});
}

void QueueWorker::run_waiting() {
  while (!backlog_.empty() && tasks_running_ < options_.running_max && skills_.has_room()) {
    const Waiting next = std::move(backlog_.front());
    backlog_.pop_front();
    run(next);
  }
  if (!backlog_.empty()) room_timer_.expires_after(options_.look_for_room);
}

void QueueWorker::run(const Waiting& waiting) {
  const api::Task& task = waiting.task;
  ++tasks_running_;
  skills_.run({.skill = task.skill,
               .args = task.payload.is_object() ? task.payload.get_object() : json::Object(),
               .caller = {},
               .caller_agent = task.source_agent_id,
               .deadline = waiting.deadline,
               .on_chunk = {}},
              [this, id = task.id](Result<json::Value> result) {
                --tasks_running_;
                if (!backlog_.empty()) room_timer_.expires_after({});
                finish(id, std::move(result));
              });
}

void QueueWorker::finish(const std::string& id, Result<json::Value> result) {
  hand_in({.id = id, .update = to_update(std::move(result)), .tries = options_.result_tries});
}

void QueueWorker::hand_in(Outcome outcome) {
  const std::string id = outcome.id;
  const api::TaskUpdate update = outcome.update;
  registry_.update_task(
      id, update, [this, outcome = std::move(outcome)](const Result<void>& taken) mutable {
        if (!taken && is_passing(taken.error()) && --outcome.tries > 0 && running_) {
          outcomes_.push_back(std::move(outcome));
          if (outcomes_.size() == 1) retry_timer_.expires_after(options_.retry_after);
          return;
        }
        tasks_.erase(outcome.id);
        if (taken) return;
        log.warning("result not handed in",
                    {{"task", outcome.id}, {"why", taken.error().message()}});
        // A registry that forgot a task of ours may have forgotten us as well.
        if (taken.error().code == Errc::not_found) register_again();
      });
}

void QueueWorker::hand_in_again() {
  for (Outcome& outcome : std::exchange(outcomes_, {})) hand_in(std::move(outcome));
}

}  // namespace chatixia::agent
