#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/delegator.hpp"
#include "agent/mesh_client.hpp"
#include "agent/sidecar_process.hpp"
#include "agent/skill.hpp"
#include "agent/skill_runner.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "net/http.hpp"

namespace chatixia::agent {

// An agent on the mesh: register skills, start(), and call others. It owns the loop and its
// thread, the workers that run skills, and the sidecar if it started one.
//
//   agent::Runtime runtime(options);
//   runtime.add_skill({"echo", "says it again", [](const json::Object& args, agent::SkillContext&)
//       -> Result<json::Value> { return args; }});
//   if (auto started = runtime.start(); !started) ...
//   auto answer = runtime.call(PeerId("bob-sidecar"), "echo", {{"text", "hi"}});
class Runtime {
 public:
  struct Options {
    AgentId self;
    net::Url registry = {.scheme = "http", .host = "127.0.0.1", .port = 8080, .target = "/"};
    std::string api_key;
    // The socket of a sidecar that runs already; empty: one is started as a child.
    std::string socket;
    std::string sidecar_program;  // empty: SIDECAR_BINARY, then chatixia-sidecar in PATH
    std::string mode = "interactive";
    Duration heartbeat_interval = std::chrono::seconds(30);
    Duration call_timeout = std::chrono::seconds(60);  // for calls that name no deadline
    Duration farewell = std::chrono::seconds(1);       // for the last answers, when it stops
    SkillRunner::Options skills;
    // Messages of other kinds and what happens to links, on the loop's thread; must return soon.
    std::function<void(const MeshClient::Event&)> on_event;
  };
  using Done = Delegator::Done;

  explicit Runtime(Options options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Before start().
  void add_skill(Skill skill);

  // Connects to the sidecar, which it starts if need be, and registers. Returns when the agent can
  // be reached, or after five seconds if the registry takes longer; it then goes on trying.
  Result<void> start();
  // Ends every call with `stopped`, waits for the skills that run, stops the sidecar. From any
  // thread but the runtime's own; again is harmless.
  void stop();

  // Have a skill run by a peer or by the agent of that id, over the mesh. From any thread but the
  // loop's: the main thread, or inside a skill.
  Result<json::Value> call(const Target& target, const std::string& skill, json::Object args = {},
                           CallOptions options = {});
  // The same without waiting; `done` is called on the loop's thread.
  void call_async(const Target& target, const std::string& skill, json::Object args,
                  CallOptions options, Done done);

  // Have a skill run by whoever has it, or by the agent named; over the mesh, or through the
  // registry's queue where no link can be made.
  Result<json::Value> delegate(const std::string& skill, json::Object args = {},
                               CallOptions options = {}, const AgentId& target = {});
  void delegate_async(const std::string& skill, json::Object args, CallOptions options,
                      const AgentId& target, Done done);

  // Runs a task on the loop's thread with the client of the sidecar, for everything else; false
  // when the runtime does not run.
  bool with_mesh(std::function<void(MeshClient&)> task);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// AGENT_ID, REGISTRY_URL, API_KEY, IPC_SOCKET and SIDECAR_BINARY over the defaults above.
Result<Runtime::Options> read_runtime_options(const GetVariable& variable);

}  // namespace chatixia::agent
