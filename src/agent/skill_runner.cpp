#include "agent/skill_runner.hpp"

#include <exception>

#include "base/log.hpp"

namespace chatixia::agent {
namespace {

constexpr Log log("agent");

// Chunks of one call that may wait for the link.
constexpr std::size_t chunks_max = 16;

}  // namespace

Instant SkillContext::deadline() const {
  return run_->call().deadline;
}
const PeerId& SkillContext::caller() const {
  return run_->call().caller;
}
const std::string& SkillContext::caller_agent() const {
  return run_->call().caller_agent;
}
bool SkillContext::emit(std::string_view text) {
  return run_->emit(run_, text);
}
bool SkillContext::cancelled() const {
  return run_->is_cancelled();
}

bool SkillRun::emit(const std::shared_ptr<SkillRun>& self, std::string_view text) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return cancelled_ || chunks_on_the_way_ < chunks_max; };
  if (call_.deadline == never) {
    changed_.wait(lock, ready);
  } else if (!changed_.wait_until(lock, call_.deadline, ready)) {
    return false;
  }
  if (cancelled_) return false;
  ++chunks_on_the_way_;
  lock.unlock();
  loop_.post([self, chunk = std::string(text)]() mutable {
    if (!self->call_.on_chunk || self->is_cancelled()) return self->on_written(true);
    self->call_.on_chunk(std::move(chunk), [self](bool taken) { self->on_written(taken); });
  });
  return true;
}

bool SkillRun::is_cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancelled_ || net::now() >= call_.deadline;
}

void SkillRun::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  changed_.notify_all();
}

// A stream with a hole is of no use to anybody.
void SkillRun::on_written(bool taken) {
  const std::lock_guard lock(mutex_);
  --chunks_on_the_way_;
  cancelled_ = cancelled_ || !taken;
  changed_.notify_all();
}

SkillRunner::SkillRunner(net::Loop& loop, const Options& options)
    : loop_(loop),
      running_(options.calls_max),
      timer_(loop, [this] { on_timeout(); }),
      workers_(options.workers, options.calls_max) {}

void SkillRunner::add(Skill skill) {
  std::string name = skill.name;
  skills_.insert_or_assign(std::move(name), std::move(skill));
}

const Skill* SkillRunner::find(std::string_view name) const {
  const auto found = skills_.find(name);
  return found == skills_.end() ? nullptr : &found->second;
}

std::vector<std::string> SkillRunner::names() const {
  std::vector<std::string> names;
  names.reserve(skills_.size());
  for (const auto& [name, skill] : skills_) names.push_back(name);
  return names;
}

void SkillRunner::run(SkillRun::Call call, Done done) {
  if (stopping_) return done(fail(Errc::stopped));
  const Skill* const skill = find(call.skill);
  if (!skill) return done(fail(Errc::unknown_skill, "no skill " + json::quote(call.skill)));
  const std::string id = std::to_string(++ids_);
  const Instant deadline = call.deadline;
  const auto run = std::make_shared<SkillRun>(loop_, std::move(call));
  if (running_.is_full()) return done(fail(Errc::too_many_requests, "the agent is busy"));
  (void)running_.add(id, deadline, {.run = run, .done = std::move(done)});
  arm();
  const bool taken = workers_.try_submit([this, id, skill, run] {
    auto result = run->is_cancelled() ? fail(Errc::deadline_exceeded) : execute(*skill, run);
    loop_.post([this, id, result = std::move(result)]() mutable { finish(id, std::move(result)); });
  });
  if (!taken) finish(id, fail(Errc::too_many_requests, "the agent is busy"));
}

void SkillRunner::cancel_all() {
  stopping_ = true;
  for (Running& running : running_.take_all()) {
    running.run->cancel();
    running.done(fail(Errc::stopped));
  }
  arm();
}

Result<json::Value> SkillRunner::execute(const Skill& skill, const std::shared_ptr<SkillRun>& run) {
  SkillContext context(run);
  try {
    return skill.function(run->call().args, context);
  } catch (const std::exception& thrown) {
    log.warning("skill threw", {{"skill", skill.name}, {"what", thrown.what()}});
    return fail(Errc::skill_failed, thrown.what());
  } catch (...) {
    log.warning("skill threw", {{"skill", skill.name}});
    return fail(Errc::skill_failed);
  }
}

void SkillRunner::finish(const std::string& id, Result<json::Value> result) {
  auto running = running_.take(id);
  arm();
  if (!running) return;
  // A skill that ran out of time may have ended early, with half an answer.
  if (net::now() >= running->run->call().deadline) result = fail(Errc::deadline_exceeded);
  running->done(std::move(result));
}

void SkillRunner::on_timeout() {
  while (auto running = running_.take_expired(net::now())) {
    running->run->cancel();
    running->done(fail(Errc::deadline_exceeded));
  }
  arm();
}

}  // namespace chatixia::agent
