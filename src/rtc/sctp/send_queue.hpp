#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "rtc/sctp/association.hpp"

namespace chatixia::rtc::sctp {

struct QueuedMessage {
  StreamId stream = 0;
  std::uint32_t ppid = 0;
  SendOptions options;
  Buffer bytes;
  // When `lifetime_max` runs out; waiting here counts.
  std::optional<Instant> expires;
};
struct QueuedReset {
  std::vector<StreamId> streams;
};
struct QueuedShutdown {};
using Queued = std::variant<QueuedMessage, QueuedReset, QueuedShutdown>;

// What waits to enter usrsctp, in the order of the calls that queued it.
class SendQueue {
 public:
  void push(Queued queued) {
    if (const auto* message = std::get_if<QueuedMessage>(&queued)) bytes_ += message->bytes.size();
    entries_.push_back(std::move(queued));
  }
  void pop() {
    if (const auto* message = std::get_if<QueuedMessage>(&entries_.front()))
      bytes_ -= message->bytes.size();
    entries_.pop_front();
  }
  void clear() {
    entries_.clear();
    bytes_ = 0;
  }
  const Queued& front() const { return entries_.front(); }
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  std::deque<Queued> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace chatixia::rtc::sctp
