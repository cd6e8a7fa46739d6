#include "agent/runtime.hpp"

#include <cstdlib>
#include <future>
#include <mutex>
#include <thread>

#include <unistd.h>

#include "agent/mesh_service.hpp"
#include "agent/queue_worker.hpp"
#include "agent/registry_client.hpp"
#include "agent/runtime_options.hpp"
#include "agent/sidecar_link.hpp"
#include "base/assert.hpp"
#include "base/log.hpp"

namespace chatixia::agent {
namespace {

constexpr Log log("agent");

// How long start() waits for the registry, and how often the sidecar is asked who it is.
constexpr Duration ready_patience = std::chrono::seconds(5);
constexpr Duration identity_every = std::chrono::milliseconds(200);

// How often stop() looks whether the last answers have left.
constexpr Duration farewell_step = std::chrono::milliseconds(5);

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

// Waits for a result that `start` promises to hand to its callback. Where the callback dies
// unused, the runtime has ended.
template <class Start>
Result<json::Value> wait_for(Start start) {
  auto promise = std::make_shared<std::promise<Result<json::Value>>>();
  auto future = promise->get_future();
  start([promise](Result<json::Value> result) { promise->set_value(std::move(result)); });
  promise.reset();
  try {
    return future.get();
  } catch (const std::future_error&) {
    return fail(Errc::stopped);
  }
}

}  // namespace

struct Runtime::Parts {
  enum class State { made, running, stopped };

  explicit Parts(Runtime::Options given)
      : options(std::move(given)),
        mesh(loop, {.self = options.self}, [this](MeshClient::Event event) { on_event(event); }),
        registry(loop, {.url = options.registry, .api_key = options.api_key}),
        skills(loop, options.skills),
        service(loop, {}, mesh, skills),
        delegator(loop, {.self = options.self}, mesh, registry),
        queue(loop,
              {.self = options.self,
               .hostname = host_name(),
               .mode = options.mode,
               .heartbeat_interval = options.heartbeat_interval},
              registry, skills, [this](const Result<void>& done) { on_registered(done); }),
        identity_timer(loop, [this] { ask_identity(); }),
        ready_timer(loop, [this] { on_ready_timeout(); }),
        farewell_timer(loop, [this] { part(); }) {}

  Result<void> start();
  void stop();
  Result<void> make_link();
  void tear_down();
  void part();
  // Runs a task on the loop unless the runtime is not running or is about to stop.
  bool post(std::move_only_function<void()> task);
  CallOptions with_deadline(CallOptions given) const;

  void on_event(MeshClient::Event& event);
  void on_connection(std::shared_ptr<net::LineConnection> connection);
  void on_link_failed(const Error& error);
  void ask_identity();
  void on_identity(const Result<json::Object>& status);
  void on_registry_connected(const PeerId& self);
  void on_registered(const Result<void>& registered);
  void on_ready_timeout();
  void settle(Result<void> outcome);

  Runtime::Options options;
  net::Loop loop;
  MeshClient mesh;
  RegistryClient registry;
  SkillRunner skills;
  MeshService service;
  Delegator delegator;
  QueueWorker queue;
  std::optional<SidecarLink> link;
  net::Timer identity_timer;
  net::Timer ready_timer;
  net::Timer farewell_timer;
  Instant farewell_ends = never;  // set when the runtime is about to stop
  PeerId peer;
  std::optional<std::promise<Result<void>>> ready;
  std::thread thread;
  std::mutex mutex;
  State state = State::made;
};

Result<void> Runtime::Parts::make_link() {
  auto link_options = sidecar_link_options(options, [](const std::string& name) {
    const char* const value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  });
  if (!link_options) return std::unexpected(std::move(link_options.error()));
  link.emplace(loop, std::move(*link_options),
               SidecarLink::Handlers{.on_connection = [this](auto made) { on_connection(made); },
                                     .on_failed = [this](const Error& e) { on_link_failed(e); }});
  return {};
}

Result<void> Runtime::Parts::start() {
  expects(state == State::made);
  if (auto made = make_link(); !made) return made;
  ready.emplace();
  auto outcome = ready->get_future();
  {
    const std::lock_guard lock(mutex);
    state = State::running;
  }
  thread = std::thread([this] { loop.run(); });
  loop.post([this] { link->open(); });
  auto started = outcome.get();
  if (!started) stop();
  return started;
}

void Runtime::Parts::stop() {
  {
    const std::lock_guard lock(mutex);
    if (std::exchange(state, State::stopped) != State::running) return;
  }
  // Behind every call that was let in, so that none is left waiting.
  loop.post([this] { tear_down(); });
  skills.join();
  loop.post([this] { part(); });
  thread.join();
}

void Runtime::Parts::tear_down() {
  farewell_ends = net::now() + options.farewell;
  identity_timer.cancel();
  ready_timer.cancel();
  queue.stop();
  skills.cancel_all();
  delegator.cancel_all({Errc::stopped, {}});
  settle(fail(Errc::stopped));
}

// The last answers leave first: the sidecar takes its lines, the registry the outcomes of its
// tasks.
void Runtime::Parts::part() {
  const bool is_idle = service.is_idle() && queue.is_idle() && mesh.commands_waiting() == 0;
  if (!is_idle && net::now() < farewell_ends) return farewell_timer.expires_after(farewell_step);
  mesh.detach({Errc::stopped, {}});
  // On this thread, because a sidecar that is our child ends when the thread that made it does.
  link->close();
  loop.stop();
}

bool Runtime::Parts::post(std::move_only_function<void()> task) {
  const std::lock_guard lock(mutex);
  if (state != State::running) return false;
  loop.post(std::move(task));
  return true;
}

CallOptions Runtime::Parts::with_deadline(CallOptions given) const {
  if (given.deadline == never) given.deadline = net::now() + options.call_timeout;
  return given;
}

void Runtime::Parts::on_event(MeshClient::Event& event) {
  if (const auto* const message = std::get_if<MeshClient::MessageReceived>(&event))
    if (service.handle(message->from, message->message)) return;
  if (const auto* const closed = std::get_if<MeshClient::Closed>(&event)) {
    log.warning("sidecar lost", {{"why", closed->reason.message()}});
    if (farewell_ends == never) link->reopen();
  }
  if (const auto* const back = std::get_if<protocol::ipc::RegistryConnected>(&event))
    on_registry_connected(back->self);
  // Trying again cannot help while the other agent stays.
  if (const auto* const error = std::get_if<protocol::ipc::ErrorEvent>(&event))
    if (error->problem.code == protocol::error_code::sidecar_busy)
      settle(std::unexpected(to_error(error->problem)));
  if (options.on_event) options.on_event(event);
}

void Runtime::Parts::on_connection(std::shared_ptr<net::LineConnection> connection) {
  mesh.attach(std::move(connection));
  peer = PeerId();
  ask_identity();
  // Registering does not wait for the sidecar's identity: the queue serves without a link.
  if (ready) {
    ready_timer.expires_after(ready_patience);
    queue.start();
  }
}

void Runtime::Parts::on_link_failed(const Error& error) {
  log.warning("sidecar not reached", {{"why", error.message()}});
  settle(std::unexpected(error));
}

// A sidecar knows its name once the registry gave it a token.
void Runtime::Parts::ask_identity() {
  if (!mesh.is_attached()) return;
  mesh.status([this](const Result<json::Object>& status) { on_identity(status); });
}

void Runtime::Parts::on_identity(const Result<json::Object>& status) {
  if (status) {
    json::ObjectReader reader(*status);
    peer = PeerId(reader.text_or("self", ""));
  }
  if (peer.value().empty()) return identity_timer.expires_after(identity_every);
  queue.set_peer_id(peer);
}

// A registry that starts anew has an empty directory.
void Runtime::Parts::on_registry_connected(const PeerId& self) {
  if (self == peer || self.value().empty()) return queue.register_again();
  peer = self;
  queue.set_peer_id(peer);
}

void Runtime::Parts::on_registered(const Result<void>& registered) {
  if (registered) {
    if (!peer.value().empty()) settle({});
    return;
  }
  const auto code = registered.error().code;
  if (code == Errc::unauthorized || code == Errc::forbidden) settle(registered);
}

void Runtime::Parts::on_ready_timeout() {
  if (ready) log.warning("not on the mesh yet, going on trying", {});
  settle({});
}

void Runtime::Parts::settle(Result<void> outcome) {
  if (!ready) return;
  ready_timer.cancel();
  ready->set_value(std::move(outcome));
  ready.reset();
}

Runtime::Runtime(Options options) : parts_(std::make_unique<Parts>(std::move(options))) {}

Runtime::~Runtime() {
  stop();
}

void Runtime::add_skill(Skill skill) {
  expects(parts_->state == Parts::State::made);
  parts_->skills.add(std::move(skill));
}

Result<void> Runtime::start() {
  return parts_->start();
}

void Runtime::stop() {
  parts_->stop();
}

void Runtime::call_async(const Target& target, const std::string& skill, json::Object args,
                         CallOptions options, Done done) {
  Parts* const parts = parts_.get();
  const bool posted =
      parts->post([parts, target, skill = skill, args = std::move(args),
                   options = parts->with_deadline(std::move(options)), done]() mutable {
        parts->delegator.call(target, std::move(skill), std::move(args), std::move(options),
                              std::move(done));
      });
  if (!posted) done(fail(Errc::stopped));
}

void Runtime::delegate_async(const std::string& skill, json::Object args, CallOptions options,
                             const AgentId& target, Done done) {
  Parts* const parts = parts_.get();
  const bool posted =
      parts->post([parts, target, skill = skill, args = std::move(args),
                   options = parts->with_deadline(std::move(options)), done]() mutable {
        parts->delegator.delegate(target, std::move(skill), std::move(args), std::move(options),
                                  std::move(done));
      });
  if (!posted) done(fail(Errc::stopped));
}

Result<json::Value> Runtime::call(const Target& target, const std::string& skill, json::Object args,
                                  CallOptions options) {
  expects(std::this_thread::get_id() != parts_->thread.get_id());
  return wait_for([&](Done done) {
    call_async(target, skill, std::move(args), std::move(options), std::move(done));
  });
}

Result<json::Value> Runtime::delegate(const std::string& skill, json::Object args,
                                      CallOptions options, const AgentId& target) {
  expects(std::this_thread::get_id() != parts_->thread.get_id());
  return wait_for([&](Done done) {
    delegate_async(skill, std::move(args), std::move(options), target, std::move(done));
  });
}

bool Runtime::with_mesh(std::function<void(MeshClient&)> task) {
  Parts* const parts = parts_.get();
  return parts->post([parts, task = std::move(task)] { task(parts->mesh); });
}

}  // namespace chatixia::agent
