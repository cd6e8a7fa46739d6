#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "agent/mesh_client.hpp"
#include "agent/registry_client.hpp"

namespace chatixia::agent {

// Whom a call is for.
using Target = std::variant<PeerId, AgentId>;

struct CallOptions {
  Instant deadline = never;  // `never` means the default of the agent
  // Called with every piece of the answer that comes ahead of it, on the loop's thread.
  std::function<void(const std::string& text)> on_chunk;
};

// Has skills run elsewhere: over the mesh, and where no link can be made through the registry's
// queue. Belongs to the loop's thread; every callback is called once.
class Delegator {
 public:
  struct Options {
    AgentId self;
    // Looking at a queued task: first after `poll_min`, then less and less often.
    Duration poll_min = std::chrono::milliseconds(100);
    Duration poll_max = std::chrono::seconds(2);
    std::size_t attempts_max = 1024;
  };
  using Done = std::function<void(Result<json::Value>)>;

  Delegator(net::Loop& loop, Options options, MeshClient& mesh, RegistryClient& registry);
  ~Delegator();

  // Over the mesh or not at all. An agent id is looked up at the registry.
  void call(const Target& target, std::string skill, json::Object args, CallOptions options,
            Done done);
  // To the agent named, or to any that has the skill when the id is empty; over the mesh if
  // possible, else through the queue.
  void delegate(const AgentId& target, std::string skill, json::Object args, CallOptions options,
                Done done);
  // Ends everything under way with `reason`.
  void cancel_all(const Error& reason);

 private:
  class Attempt;
  std::shared_ptr<Attempt> begin(std::string skill, json::Object args, CallOptions options,
                                 Done done);

  net::Loop& loop_;
  Options options_;
  MeshClient& mesh_;
  RegistryClient& registry_;
  std::map<const Attempt*, std::shared_ptr<Attempt>> attempts_;
};

// The one decision about falling back: only an error that says that the message never left is
// reason to have the work done another way; after any other it could be done twice.
bool may_fall_back(const Error& error);

}  // namespace chatixia::agent
