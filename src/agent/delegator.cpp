#include "agent/delegator.hpp"

#include <algorithm>
#include <cmath>

#include "base/log.hpp"

namespace chatixia::agent {
namespace {

namespace api = protocol::api;
namespace mesh = protocol::mesh;

constexpr Log log("agent");

}  // namespace

bool may_fall_back(const Error& error) {
  return error.code == Errc::not_connected || error.code == Errc::unknown_peer ||
         error.code == Errc::connect_failed;
}

// One piece of work on its way. Steps call each other through callbacks that hold it weakly; the
// delegator holds it until finish().
class Delegator::Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(Delegator& owner, std::string skill, json::Object args, CallOptions options, Done done)
      : owner_(owner),
        skill_(std::move(skill)),
        args_(std::move(args)),
        options_(std::move(options)),
        done_(std::move(done)),
        poll_after_(owner.options_.poll_min),
        timer_(owner.loop_, [this] { on_timer(); }) {}

  // `agent` names whom the peer serves, empty when that is not known.
  void call_peer(const PeerId& peer, const std::string& agent, bool queue_next);
  void call_agent(const AgentId& agent);
  void delegate(const AgentId& target);
  void finish(Result<json::Value> result);

 private:
  // Wraps a step so that it does nothing when the attempt is over.
  template <class Step>
  auto then(Step step) {
    return [weak = weak_from_this(), step](auto result) {
      if (const auto self = weak.lock(); self && self->done_) step(*self, std::move(result));
    };
  }

  void on_route(const Result<api::AgentRecord>& record);
  void on_response(const Result<mesh::Message>& message, bool queue_next);
  void enqueue();
  void poll_later();
  void on_task(const Result<api::Task>& task);
  void on_timer();

  Delegator& owner_;
  const std::string skill_;
  const json::Object args_;
  const CallOptions options_;
  Done done_;
  AgentId target_;
  std::string task_id_;
  Duration poll_after_;
  net::Timer timer_;
};

void Delegator::Attempt::call_peer(const PeerId& peer, const std::string& agent, bool queue_next) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(options_.deadline - net::now());
  const mesh::TaskRequest request{
      .skill = skill_, .args = args_, .timeout_ms = std::max<std::int64_t>(left.count(), 0)};
  owner_.mesh_.request(
      peer,
      {.type = std::string(mesh::type::task_request),
       .request_id = {},
       .source_agent = owner_.options_.self.value(),
       .target_agent = agent,
       .payload = request.encode()},
      options_.deadline,
      [weak = weak_from_this()](const mesh::StreamChunk& chunk) {
        // The last chunk of a stream is often an empty one that only says so.
        if (chunk.text.empty()) return;
        const auto self = weak.lock();
        if (self && self->done_ && self->options_.on_chunk) self->options_.on_chunk(chunk.text);
      },
      then([queue_next](Attempt& self, const Result<mesh::Message>& message) {
        self.on_response(message, queue_next);
      }));
}

void Delegator::Attempt::call_agent(const AgentId& agent) {
  target_ = agent;
  timer_.expires_at(options_.deadline);
  owner_.registry_.find_agent(
      agent, then([](Attempt& self, const Result<api::AgentRecord>& record) {
        if (!record) return self.finish(std::unexpected(record.error()));
        if (record->sidecar_peer_id.empty())
          return self.finish(
              fail(Errc::unknown_peer, self.target_.value() + " is not on the mesh"));
        self.call_peer(PeerId(record->sidecar_peer_id), record->agent_id, false);
      }));
}

void Delegator::Attempt::delegate(const AgentId& target) {
  target_ = target;
  timer_.expires_at(options_.deadline);
  auto found =
      then([](Attempt& self, const Result<api::AgentRecord>& record) { self.on_route(record); });
  if (target.value().empty()) {
    owner_.registry_.find_route(skill_, std::move(found));
  } else {
    owner_.registry_.find_agent(target, std::move(found));
  }
}

void Delegator::Attempt::on_route(const Result<api::AgentRecord>& record) {
  if (!record) return finish(std::unexpected(record.error()));
  // An agent that was not heard of lately answers its queue when it comes back; a link to it
  // would only be waited for.
  if (record->sidecar_peer_id.empty() || (!record->health.empty() && record->health != "active"))
    return enqueue();
  call_peer(PeerId(record->sidecar_peer_id), record->agent_id, true);
}

void Delegator::Attempt::on_response(const Result<mesh::Message>& message, bool queue_next) {
  if (!message) {
    if (!queue_next || !may_fall_back(message.error()))
      return finish(std::unexpected(message.error()));
    log.info("no link, the task goes through the queue",
             {{"skill", skill_}, {"why", message.error().message()}});
    return enqueue();
  }
  auto response = mesh::TaskResponse::parse(message->payload);
  if (!response)
    return finish(fail(Errc::internal, "the peer's answer: " + response.error().message()));
  if (response->error)
    return finish(std::unexpected(from_answer(response->code, *response->error)));
  finish(std::move(*response->result));
}

void Delegator::Attempt::enqueue() {
  const double left = std::chrono::duration<double>(options_.deadline - net::now()).count();
  const api::TaskSubmission task{.skill = skill_,
                                 .target_agent_id = target_.value(),
                                 .source_agent_id = owner_.options_.self.value(),
                                 .payload = args_,
                                 .ttl = std::clamp(std::ceil(left), 1.0, api::task_ttl_max)};
  owner_.registry_.submit_task(task, then([](Attempt& self, const Result<std::string>& id) {
                                 if (!id) return self.finish(std::unexpected(id.error()));
                                 self.task_id_ = *id;
                                 self.poll_later();
                               }));
}

void Delegator::Attempt::poll_later() {
  timer_.expires_at(std::min(net::now() + poll_after_, options_.deadline));
  poll_after_ = std::min(poll_after_ * 3 / 2, owner_.options_.poll_max);
}

// The deadline of the attempt, or time to look at the queued task.
void Delegator::Attempt::on_timer() {
  if (net::now() >= options_.deadline) return finish(fail(Errc::deadline_exceeded));
  timer_.expires_at(options_.deadline);
  owner_.registry_.find_task(
      task_id_, then([](Attempt& self, const Result<api::Task>& task) { self.on_task(task); }));
}

void Delegator::Attempt::on_task(const Result<api::Task>& task) {
  if (!task) {
    // A registry that restarts comes back with its tasks; only one that forgot this one is final.
    if (task.error().code != Errc::unavailable) return finish(std::unexpected(task.error()));
    return poll_later();
  }
  if (task->state == "completed") return finish(task->result);
  if (task->state == "failed") return finish(std::unexpected(from_text(task->error)));
  poll_later();
}

void Delegator::Attempt::finish(Result<json::Value> result) {
  const auto done = std::exchange(done_, nullptr);
  const auto self = shared_from_this();
  timer_.cancel();
  owner_.attempts_.erase(this);
  done(std::move(result));
}

Delegator::Delegator(net::Loop& loop, Options options, MeshClient& mesh, RegistryClient& registry)
    : loop_(loop), options_(std::move(options)), mesh_(mesh), registry_(registry) {}

Delegator::~Delegator() = default;

std::shared_ptr<Delegator::Attempt> Delegator::begin(std::string skill, json::Object args,
                                                     CallOptions options, Done done) {
  if (attempts_.size() >= options_.attempts_max) {
    done(fail(Errc::too_many_requests, "too many calls are under way"));
    return nullptr;
  }
  auto attempt = std::make_shared<Attempt>(*this, std::move(skill), std::move(args),
                                           std::move(options), std::move(done));
  attempts_.emplace(attempt.get(), attempt);
  return attempt;
}

void Delegator::call(const Target& target, std::string skill, json::Object args,
                     CallOptions options, Done done) {
  const auto attempt =
      begin(std::move(skill), std::move(args), std::move(options), std::move(done));
  if (!attempt) return;
  if (const auto* const peer = std::get_if<PeerId>(&target)) {
    attempt->call_peer(*peer, "", false);
  } else {
    attempt->call_agent(std::get<AgentId>(target));
  }
}

void Delegator::delegate(const AgentId& target, std::string skill, json::Object args,
                         CallOptions options, Done done) {
  if (const auto attempt =
          begin(std::move(skill), std::move(args), std::move(options), std::move(done)))
    attempt->delegate(target);
}

void Delegator::cancel_all(const Error& reason) {
  while (!attempts_.empty()) {
    const auto attempt = attempts_.begin()->second;
    attempt->finish(std::unexpected(reason));
  }
}

}  // namespace chatixia::agent
