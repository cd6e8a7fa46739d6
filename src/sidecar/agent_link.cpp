#include "sidecar/agent_link.hpp"

#include <algorithm>
#include <iterator>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "protocol/errors.hpp"
#include "protocol/ipc.hpp"

namespace chatixia::sidecar {
namespace {

constexpr Log log("agent");
constexpr Duration newcomer_patience = std::chrono::milliseconds(100);

bool is_answer(std::string_view line) {
  const auto event = protocol::ipc::parse_event(line);
  return event && event->id;
}

}  // namespace

Result<std::unique_ptr<AgentLink>> AgentLink::listen(net::Loop& loop, const std::string& path,
                                                     Handlers handlers) {
  std::unique_ptr<AgentLink> link(new AgentLink(loop, std::move(handlers)));
  const net::LineConnection::Options options{
      .line_bytes_max = limits::ipc_line_bytes_max,
      .queue_bytes_max = limits::agent_backlog_bytes_max,
  };
  auto server = net::LineServer::listen(
      loop, path, options, [raw = link.get()](std::shared_ptr<net::LineConnection> connection) {
        raw->on_connection(std::move(connection));
      });
  if (!server) return std::unexpected(server.error());
  link->server_ = *std::move(server);
  return link;
}

void AgentLink::on_connection(std::shared_ptr<net::LineConnection> connection) {
  if (!agent_) return take(std::move(connection));
  if (newcomer_) refuse_newcomer();
  newcomer_ = std::move(connection);
  newcomer_wait_.expires_after(newcomer_patience);
}

void AgentLink::refuse_newcomer() {
  log.warning("refused a second agent");
  const auto refused = std::exchange(newcomer_, nullptr);
  refused->start({});
  (void)refused->send_line(protocol::ipc::encode_error(
      std::nullopt, protocol::make_problem(protocol::error_code::sidecar_busy), std::nullopt));
  refused->close();
}

void AgentLink::take(std::shared_ptr<net::LineConnection> connection) {
  const auto* raw = connection.get();
  agent_ = std::move(connection);
  log.info("agent connected");
  announced_.clear();
  agent_->start({
      .on_line = handlers_.on_line,
      .on_oversized = handlers_.on_oversized,
      .on_closed = [this, raw](const std::string& reason) { on_left(raw, reason); },
      .on_writable = [this] { send_kept(); },
  });
  handlers_.on_arrived();
  send_kept();
}

void AgentLink::on_left(const net::LineConnection* connection, const std::string& reason) {
  if (agent_.get() != connection) return;
  take_back(*std::exchange(agent_, nullptr));
  log.info("agent left", {{"reason", reason.empty() ? "it closed the connection" : reason}});
  make_room();
}

void AgentLink::make_room() {
  handlers_.on_left();
  if (!newcomer_) return;
  newcomer_wait_.cancel();
  take(std::exchange(newcomer_, nullptr));
}

void AgentLink::deliver(std::string line) {
  if (agent_ && kept_.empty() && agent_->send_line(line)) return;
  keep(std::move(line));
  if (agent_ && kept_bytes_ > limits::agent_backlog_bytes_max / 2) {
    // Two queues full: it has not read for megabytes. It may come back and read what is kept.
    log.warning("agent does not read; closing its connection", {{"kept_bytes", kept_bytes_}});
    const auto slow = std::exchange(agent_, nullptr);
    take_back(*slow);
    slow->close();
    make_room();
  }
}

void AgentLink::answer(std::string line) {
  if (agent_) deliver(std::move(line));
}

// What the agent that leaves has not been handed is for the next one, unless it was an answer: the
// ids of the next one may be the same.
void AgentLink::take_back(net::LineConnection& connection) {
  net::LineConnection::Unsent unsent = connection.take_unsent();
  if (unsent.is_cut) ++dropped_;
  // The next one has announcements of its own.
  std::erase_if(unsent.lines, [this](const auto& line) {
    return std::ranges::find(announced_, line) != announced_.end();
  });
  kept_.insert(kept_.begin(), std::move_iterator(unsent.lines.begin()),
               std::move_iterator(unsent.lines.end()));
  std::erase_if(kept_, is_answer);
  kept_bytes_ = 0;
  for (const std::string& line : kept_) kept_bytes_ += line.size();
  drop_oldest();
}

void AgentLink::announce(std::string_view line) {
  if (agent_ && !agent_->send_line(line)) ++dropped_;
  announced_.emplace_back(line);
}

void AgentLink::keep(std::string line) {
  kept_bytes_ += line.size();
  kept_.push_back(std::move(line));
  drop_oldest();
}

void AgentLink::drop_oldest() {
  while (kept_bytes_ > limits::agent_backlog_bytes_max) {
    kept_bytes_ -= kept_.front().size();
    kept_.pop_front();
    ++dropped_;
  }
}

void AgentLink::send_kept() {
  while (agent_ && !kept_.empty() && agent_->send_line(kept_.front())) {
    kept_bytes_ -= kept_.front().size();
    kept_.pop_front();
  }
}

void AgentLink::close() {
  if (agent_) std::exchange(agent_, nullptr)->close();
  server_.reset();
}

}  // namespace chatixia::sidecar
