#include "agent/task_reply.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace chatixia::agent {
namespace {

namespace mesh = protocol::mesh;

constexpr Log log("agent");

}  // namespace

TaskReply::TaskReply(net::Loop& loop, MeshClient& mesh, Options options, PeerId to,
                     mesh::Message question, std::function<void()> on_end)
    : mesh_(mesh),
      options_(options),
      to_(std::move(to)),
      question_(std::move(question)),
      on_end_(std::move(on_end)),
      retry_after_(options_.retry_min),
      timer_(loop, [this] {
        is_busy_ = false;
        send_next();
      }) {}

void TaskReply::add_chunk(std::string text, SkillRun::Written written) {
  if (lost_ || answer_) return written(false);
  chunks_.push_back({.text = std::move(text), .written = std::move(written)});
  send_next();
}

void TaskReply::answer(Result<json::Value> result) {
  if (!result) drop_chunks();
  answer_ = std::move(result);
  send_next();
}

void TaskReply::send_next() {
  if (is_busy_) return;
  if (!chunk_on_the_way_ && !chunks_.empty()) {
    chunk_on_the_way_ = std::move(chunks_.front());
    chunks_.pop_front();
  }
  if (chunk_on_the_way_) {
    const mesh::StreamChunk chunk{.text = chunk_on_the_way_->text, .done = false};
    send(mesh::type::task_stream_chunk, chunk.encode());
  } else if (answer_) {
    send(mesh::type::task_response, response());
  }
}

void TaskReply::send(std::string_view type, json::Object payload) {
  is_busy_ = true;
  mesh_.reply(to_, question_, type, std::move(payload),
              [weak = weak_from_this()](const Result<void>& sent) {
                if (const auto self = weak.lock()) self->on_sent(sent);
              });
}

void TaskReply::on_sent(const Result<void>& sent) {
  if (!sent && may_retry(sent.error())) {
    timer_.expires_after(retry_after_);
    retry_after_ = std::min(retry_after_ * 2, options_.retry_max);
    return;
  }
  is_busy_ = false;
  retry_after_ = options_.retry_min;
  give_up_at_ = never;
  if (chunk_on_the_way_) return on_chunk_sent(sent);
  on_answer_sent(sent);
}

bool TaskReply::may_retry(const Error& error) {
  if (error.code != Errc::send_buffer_full) return false;
  // With an error to tell, the chunk that the link has no room for is worth nothing.
  if (chunk_on_the_way_ && answer_ && !*answer_) return false;
  if (give_up_at_ == never) give_up_at_ = net::now() + options_.patience;
  return net::now() < give_up_at_;
}

void TaskReply::on_chunk_sent(const Result<void>& sent) {
  const Chunk chunk = *std::exchange(chunk_on_the_way_, std::nullopt);
  if (!sent) {
    lost_ = sent.error();
    drop_chunks();
  }
  chunk.written(sent.has_value());
  send_next();
}

void TaskReply::on_answer_sent(const Result<void>& sent) {
  const bool was_result = answer_->has_value() && !lost_;
  if (!sent && was_result && sent.error().code == Errc::message_too_large)
    return answer(std::unexpected(sent.error()));
  // There is nobody left to tell.
  if (!sent)
    log.warning("answer not delivered", {{"to", to_.value()}, {"why", sent.error().message()}});
  on_end_();
}

void TaskReply::drop_chunks() {
  for (const Chunk& chunk : std::exchange(chunks_, {})) chunk.written(false);
}

json::Object TaskReply::response() const {
  if (*answer_ && !lost_) return mesh::TaskResponse{.result = **answer_}.encode();
  const Error& error = *answer_ ? *lost_ : answer_->error();
  return mesh::TaskResponse{.error = to_sentence(error), .code = std::string(protocol_code(error))}
      .encode();
}

}  // namespace chatixia::agent
