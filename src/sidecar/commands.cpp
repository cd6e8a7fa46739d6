// The agent's side of Sidecar: its commands, and the events it is told.

#include <algorithm>

#include "base/log.hpp"
#include "base/version.hpp"
#include "sidecar/link_json.hpp"
#include "sidecar/sidecar.hpp"

namespace chatixia::sidecar {

namespace ipc = protocol::ipc;
namespace error_code = protocol::error_code;

namespace {

constexpr Log log("mesh");

// Connect commands that wait for their outcome.
constexpr std::size_t waiting_connects_max = 1024;

std::string_view code_of(const Error& error) {
  if (error.code == mesh::Errc::unknown_peer) return error_code::unknown_peer;
  if (error.code == mesh::Errc::not_connected) return error_code::not_connected;
  if (error.code == mesh::Errc::send_buffer_full) return error_code::send_buffer_full;
  if (error.code == mesh::Errc::message_too_large) return error_code::message_too_large;
  if (error.code == mesh::Errc::closing) return error_code::unavailable;
  if (error.code == mesh::Errc::too_many_peers) return error_code::unavailable;
  return error_code::connect_failed;
}

const Error not_identified{mesh::Errc::not_connected, "the registry has not been reached yet"};

template <class... Handlers>
struct Overload : Handlers... {
  using Handlers::operator()...;
};

}  // namespace

void Sidecar::on_line(std::string_view line) {
  const auto command = ipc::parse_command(line);
  if (command)
    on_command(*command);
  else
    agent_->answer(ipc::encode_error(command.error().id, command.error().problem, std::nullopt));
  wake();
}

void Sidecar::on_oversized_line() {
  agent_->answer(ipc::encode_error(
      std::nullopt,
      protocol::make_problem(
          error_code::too_large,
          "a line was longer than " + std::to_string(limits::ipc_line_bytes_max) + " bytes"),
      std::nullopt));
}

void Sidecar::on_agent_arrived() {
  const std::size_t dropped = agent_->take_dropped();
  if (dropped > 0)
    agent_->announce(
        ipc::encode_error(std::nullopt,
                          protocol::make_problem(
                              error_code::backlog_full,
                              std::to_string(dropped) + " events were dropped while no agent read"),
                          std::nullopt));
  if (!node_) return;
  // What follows in the backlog happened after the last agent left; this is what it knew. Where
  // the backlog has gaps, a link that was made since may be in one.
  for (const mesh::LinkReport& link : node_->links()) {
    const bool is_open = link.state == mesh::LinkState::open;
    const bool was_open =
        std::ranges::find(open_when_agent_left_, link.peer) != open_when_agent_left_.end();
    if (was_open || (dropped > 0 && is_open))
      agent_->announce(ipc::encode_peer_connected(link.peer, link_json(link)));
  }
  open_when_agent_left_.clear();
}

void Sidecar::on_agent_left() {
  // Nobody waits for these answers any more, and the next agent's ids may be the same.
  for (auto& [ticket, id] : waiting_sends_) id.reset();
  waiting_connects_.clear();
  if (node_) open_when_agent_left_ = node_->open_peers();
}

void Sidecar::on_command(const ipc::Command& command) {
  std::visit(Overload{[&](const ipc::Send& send) { on_send(command.id, send); },
                      [&](const ipc::Broadcast& broadcast) {
                        on_broadcast(command.id, broadcast.message);
                      },
                      [&](const ipc::ListPeers&) {
                        agent_->answer(ipc::encode_peer_list(
                            command.id, node_ ? node_->open_peers() : std::vector<PeerId>()));
                        answer_ok(command.id);
                      },
                      [&](const ipc::Connect& connect) { on_connect(command.id, connect.target); },
                      [&](const ipc::Status&) {
                        agent_->answer(ipc::encode_status_event(command.id, status()));
                        answer_ok(command.id);
                      }},
             command.body);
}

void Sidecar::on_send(const std::optional<std::string>& id, const ipc::Send& send) {
  if (!node_) return answer_error(id, not_identified, send.target);
  const auto sent = node_->send(net::now(), send.target, send.message);
  if (!sent) return answer_error(id, sent.error(), send.target);
  if (*sent)
    waiting_sends_.emplace(**sent, id);
  else
    answer_ok(id);
}

void Sidecar::on_broadcast(const std::optional<std::string>& id, std::string_view message) {
  const auto missed =
      node_ ? node_->broadcast(net::now(), message) : std::vector<std::pair<PeerId, Error>>();
  if (missed.empty()) return answer_ok(id);
  // One error names the first; the others are events of their own without the id.
  for (const auto& [peer, error] : missed)
    answer_error(peer == missed.front().first ? id : std::nullopt, error, peer);
}

void Sidecar::on_connect(const std::optional<std::string>& id, const PeerId& peer) {
  if (!node_) return answer_error(id, not_identified, peer);
  const auto connecting = node_->connect(net::now(), peer);
  if (!connecting) return answer_error(id, connecting.error(), peer);
  const auto open = node_->open_peers();
  if (std::ranges::find(open, peer) != open.end()) return answer_ok(id);
  if (!id) return;
  if (waiting_connects_.size() >= waiting_connects_max)
    return answer_error(id, {mesh::Errc::send_buffer_full, "too many connects wait"}, peer);
  waiting_connects_.emplace(peer, *id);
}

void Sidecar::settle_connects(const PeerId& peer, const Error* error) {
  const auto [first, last] = waiting_connects_.equal_range(peer);
  std::vector<std::string> ids;
  for (auto waiting = first; waiting != last; ++waiting) ids.push_back(std::move(waiting->second));
  // Before the answers: an agent that does not read them leaves, and takes all that waits along.
  waiting_connects_.erase(first, last);
  for (const std::string& id : ids) {
    if (error)
      answer_error(id, *error, peer);
    else
      answer_ok(id);
  }
}

void Sidecar::on_event(mesh::Node::Event event) {
  using Node = mesh::Node;
  const auto take_waiting = [this](mesh::Ticket ticket) {
    const auto found = waiting_sends_.extract(ticket);
    return found ? std::move(found.mapped()) : std::optional<std::string>();
  };
  std::visit(
      Overload{
          [&](const Node::PeerConnected& connected) {
            const json::Object link = link_json(connected.link);
            log.info("peer connected",
                     {{"peer", connected.link.peer.value()}, {"link", json::encode(link)}});
            agent_->deliver(ipc::encode_peer_connected(connected.link.peer, link));
            settle_connects(connected.link.peer, nullptr);
          },
          [&](const Node::PeerDisconnected& gone) {
            log.info("peer disconnected", {{"peer", gone.peer.value()},
                                           {"why", gone.reason},
                                           {"undelivered_bytes", gone.undelivered_bytes}});
            agent_->deliver(
                ipc::encode_peer_disconnected(gone.peer, gone.reason, gone.undelivered_bytes));
          },
          [&](const Node::MessageReceived& message) {
            const std::string_view body = as_text(message.body);
            if (ipc::is_relayable(body))
              agent_->deliver(ipc::encode_message(message.from, body));
            else
              log.debug("a message was no JSON object", {{"peer", message.from.value()}});
          },
          [&](const Node::Sent& sent) { answer_ok(take_waiting(sent.ticket)); },
          [&](const Node::SendFailed& failed) {
            answer_error(take_waiting(failed.ticket), failed.error, failed.to);
          },
          [](const Node::Writable&) {},
          [&](const Node::ConnectFailed& failed) { settle_connects(failed.peer, &failed.error); }},
      event);
}

void Sidecar::answer_ok(const std::optional<std::string>& id) {
  if (id) agent_->answer(ipc::encode_ok(*id));
}

void Sidecar::answer_error(const std::optional<std::string>& id, const Error& error,
                           const PeerId& target) {
  std::string line =
      ipc::encode_error(id, protocol::make_problem(code_of(error), error.message()), target);
  if (id)
    agent_->answer(std::move(line));
  else
    agent_->deliver(std::move(line));
}

json::Object Sidecar::status() const {
  json::Object registry;
  registry["url"] = registry_->url().to_string();
  registry["connected"] = registry_->is_connected();
  if (!registry_->last_error().empty()) registry["last_error"] = registry_->last_error();

  json::Array servers;
  for (const rtc::ice::Server& server : servers_)
    servers.emplace_back((server.kind == rtc::ice::Server::Kind::turn ? "turn:" : "stun:") +
                         server.address.to_string());
  json::Array addresses;
  for (const Endpoint& address : addresses_) addresses.emplace_back(address.to_string());
  json::Array links;
  if (node_)
    for (const mesh::LinkReport& link : node_->links()) links.emplace_back(link_json(link));

  json::Object status;
  status["self"] = self_.value();
  status["version"] = chatixia::version;
  status["registry"] = std::move(registry);
  status["addresses"] = std::move(addresses);
  status["ice_servers"] = std::move(servers);
  status["links"] = std::move(links);
  return status;
}

}  // namespace chatixia::sidecar
