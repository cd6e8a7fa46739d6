#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/line_socket.hpp"
#include "net/loop.hpp"

namespace chatixia::sidecar {

// The agent's side of the sidecar: one Unix socket, one agent at a time. Events for an agent that
// is away are kept; one that does not read is disconnected when its queue is full. Answers are for
// the agent that asked and go with it.
class AgentLink {
 public:
  struct Handlers {
    std::function<void(std::string_view line)> on_line;
    std::function<void()> on_oversized;
    // Before the lines that were kept are sent; announce() what the agent should hear first.
    std::function<void()> on_arrived;
    std::function<void()> on_left;
  };

  static Result<std::unique_ptr<AgentLink>> listen(net::Loop& loop, const std::string& path,
                                                   Handlers handlers);

  // Sends or keeps an event.
  void deliver(std::string line);
  // Sends what the present agent has asked for.
  void answer(std::string line);
  // Sends a line ahead of what was kept.
  void announce(std::string_view line);
  bool has_agent() const { return agent_ != nullptr; }
  // Events that were dropped since the last agent came, for it to be told.
  std::size_t take_dropped() { return std::exchange(dropped_, 0); }
  // Flushes what is queued, then closes.
  void close();

 private:
  AgentLink(net::Loop& loop, Handlers handlers)
      : handlers_(std::move(handlers)), newcomer_wait_(loop, [this] { refuse_newcomer(); }) {}
  void on_connection(std::shared_ptr<net::LineConnection> connection);
  void take(std::shared_ptr<net::LineConnection> connection);
  void refuse_newcomer();
  void make_room();
  void on_left(const net::LineConnection* connection, const std::string& reason);
  void take_back(net::LineConnection& connection);
  void keep(std::string line);
  void drop_oldest();
  void send_kept();

  Handlers handlers_;
  std::unique_ptr<net::LineServer> server_;
  std::shared_ptr<net::LineConnection> agent_;
  // An agent that starts again connects before the end of its old connection is seen, so a second
  // connection waits a moment for the first one to end.
  std::shared_ptr<net::LineConnection> newcomer_;
  net::Timer newcomer_wait_;
  std::vector<std::string> announced_;  // to the present agent
  std::deque<std::string> kept_;
  std::size_t kept_bytes_ = 0;
  std::size_t dropped_ = 0;
};

}  // namespace chatixia::sidecar
