#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/mesh_client.hpp"
#include "agent/skill_runner.hpp"

namespace chatixia::agent {

// What goes back for one task: the pieces of the answer in their order, and the answer behind them.
// One message is on its way at a time; where the link has no room for it, it is sent again before
// anything else. Belongs to the loop's thread.
class TaskReply : public std::enable_shared_from_this<TaskReply> {
 public:
  struct Options {
    // Between tries while the link is full: first `retry_min`, then longer each time.
    Duration retry_min = std::chrono::milliseconds(5);
    Duration retry_max = std::chrono::milliseconds(250);
    // A link that takes nothing for so long is given up.
    Duration patience = std::chrono::seconds(30);
  };

  // `on_end` is called once, when the answer was sent or cannot be.
  TaskReply(net::Loop& loop, MeshClient& mesh, Options options, PeerId to,
            protocol::mesh::Message question, std::function<void()> on_end);

  void add_chunk(std::string text, SkillRun::Written written);
  // Nothing may follow. An error goes ahead of the chunks that wait; a result becomes an error if
  // a chunk was lost.
  void answer(Result<json::Value> result);

 private:
  struct Chunk {
    std::string text;
    SkillRun::Written written;
  };

  void send_next();
  void send(std::string_view type, json::Object payload);
  void on_sent(const Result<void>& sent);
  bool may_retry(const Error& error);
  void on_chunk_sent(const Result<void>& sent);
  void on_answer_sent(const Result<void>& sent);
  void drop_chunks();
  json::Object response() const;

  MeshClient& mesh_;
  Options options_;
  PeerId to_;
  protocol::mesh::Message question_;  // without its payload
  std::function<void()> on_end_;
  std::deque<Chunk> chunks_;
  std::optional<Chunk> chunk_on_the_way_;
  std::optional<Result<json::Value>> answer_;
  std::optional<Error> lost_;  // why a chunk did not get through
  bool is_busy_ = false;       // a message is on its way, or waits to be sent again
  Duration retry_after_;
  Instant give_up_at_ = never;
  net::Timer timer_;
};

}  // namespace chatixia::agent
