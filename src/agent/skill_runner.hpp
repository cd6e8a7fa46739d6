#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/errc.hpp"
#include "agent/pending_table.hpp"
#include "agent/skill.hpp"
#include "agent/worker_pool.hpp"
#include "net/loop.hpp"

namespace chatixia::agent {

// One call of one skill, shared by the worker that runs it and the loop that answers for it.
class SkillRun {
 public:
  // Hands a chunk on; `written` is called when the link has taken it, or never will.
  using Written = std::function<void(bool taken)>;
  using OnChunk = std::function<void(std::string text, Written written)>;

  struct Call {
    std::string skill;
    json::Object args;
    PeerId caller;
    std::string caller_agent;
    Instant deadline = never;
    OnChunk on_chunk;  // called on the loop; empty when nobody listens
  };

  SkillRun(net::Loop& loop, Call call) : loop_(loop), call_(std::move(call)) {}

  const Call& call() const { return call_; }
  bool emit(const std::shared_ptr<SkillRun>& self, std::string_view text);
  bool is_cancelled() const;
  // Ends every wait of emit(); from the loop.
  void cancel();

 private:
  void on_written(bool taken);

  net::Loop& loop_;
  const Call call_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t chunks_on_the_way_ = 0;
  bool cancelled_ = false;
};

// Runs skills on its workers and answers for each exactly once: with what it returned, or with
// why there is nothing. Belongs to the loop's thread.
class SkillRunner {
 public:
  struct Options {
    std::size_t workers = 4;
    // Calls that run or wait for a worker.
    std::size_t calls_max = 64;
  };
  using Done = std::function<void(Result<json::Value>)>;

  SkillRunner(net::Loop& loop, const Options& options);

  // Before the first run() only.
  void add(Skill skill);
  const Skill* find(std::string_view name) const;
  std::vector<std::string> names() const;

  bool has_room() const { return !running_.is_full(); }
  // The deadline of `call` is kept even if the skill is not: then its answer is dropped.
  void run(SkillRun::Call call, Done done);
  // Answers for everything that runs with `stopped`; nothing runs from now on.
  void cancel_all();
  // Waits until no skill runs; from another thread than the loop's.
  void join() { workers_.stop(); }

 private:
  struct Running {
    std::shared_ptr<SkillRun> run;
    Done done;
  };

  static Result<json::Value> execute(const Skill& skill, const std::shared_ptr<SkillRun>& run);
  void finish(const std::string& id, Result<json::Value> result);
  void on_timeout();
  void arm() { timer_.expires_at(running_.next_timeout()); }

  net::Loop& loop_;
  std::map<std::string, Skill, std::less<>> skills_;
  PendingTable<Running> running_;
  net::Timer timer_;
  std::uint64_t ids_ = 0;
  bool stopping_ = false;
  WorkerPool workers_;
};

}  // namespace chatixia::agent
