#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/strong.hpp"
#include "base/time.hpp"
#include "json/json.hpp"

namespace chatixia::agent {

class SkillRun;

// What a skill knows about the call it serves. Lives as long as the call; thread-safe.
class SkillContext {
 public:
  explicit SkillContext(std::shared_ptr<SkillRun> run) : run_(std::move(run)) {}

  // The answer is worth nothing after this.
  Instant deadline() const;
  // The peer that asked, empty for a task from the registry's queue, and the agent behind it.
  const PeerId& caller() const;
  const std::string& caller_agent() const;

  // Sends a piece of the answer ahead (task_stream_chunk); tasks from the queue have nobody to
  // send it to. Waits while the link is behind. False: nobody listens any more, or a piece was
  // lost; the answer is going to be an error.
  bool emit(std::string_view text);
  // The answer is not wanted any more: the deadline has passed, the agent stops, or the caller is
  // out of reach. A long skill looks at it now and then.
  bool cancelled() const;

 private:
  std::shared_ptr<SkillRun> run_;
};

// Runs on a worker thread. An exception that leaves it is an error of this call.
using SkillFunction =
    std::function<Result<json::Value>(const json::Object& args, SkillContext& context)>;

struct Skill {
  std::string name;
  std::string description;
  SkillFunction function;
};

}  // namespace chatixia::agent
