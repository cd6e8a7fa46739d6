#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "agent/errc.hpp"
#include "agent/pending_table.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/strong.hpp"
#include "base/time.hpp"
#include "net/line_socket.hpp"
#include "net/loop.hpp"
#include "protocol/ipc.hpp"
#include "protocol/mesh_message.hpp"

namespace chatixia::agent {

// The agent's side of the IPC: commands go to the sidecar and are matched with their answers,
// requests go to peers and are matched with theirs. It outlives connections: while there is none,
// everything fails at once with sidecar_gone, and so does all that waits when one is lost.
//
// Belongs to its loop's thread. Every callback is called exactly once unless the client is
// destroyed first, possibly before the call that took it returns. A callback must not destroy the
// client.
class MeshClient {
 public:
  struct Options {
    AgentId self;
    // Commands and requests that may wait at a time.
    std::size_t pending_max = 1024;
    // A sidecar that does not answer a command for so long is not going to.
    Duration command_timeout = std::chrono::seconds(30);
  };

  // What happens without being asked for.
  struct MessageReceived {
    PeerId from;
    protocol::mesh::Message message;
  };
  struct Closed {
    Error reason;
  };
  using Event =
      std::variant<MessageReceived, protocol::ipc::PeerConnected, protocol::ipc::PeerDisconnected,
                   protocol::ipc::RegistryConnected, protocol::ipc::ErrorEvent, Closed>;

  template <class T>
  using Callback = std::function<void(Result<T>)>;
  using OnChunk = std::function<void(const protocol::mesh::StreamChunk&)>;

  static constexpr net::LineConnection::Options connection_options = {
      .line_bytes_max = limits::ipc_line_bytes_max,
      .queue_bytes_max = limits::agent_backlog_bytes_max};

  MeshClient(net::Loop& loop, Options options, std::function<void(Event)> on_event);

  // Takes over a connection that has not been started.
  void attach(std::shared_ptr<net::LineConnection> connection);
  // Fails all that waits with `reason` and closes the connection.
  void detach(const Error& reason);
  bool is_attached() const { return connection_ != nullptr; }

  // Done when the sidecar has taken the message, which says nothing about its delivery.
  void send(const PeerId& to, const protocol::mesh::Message& message, Callback<void> done);
  // Sends what answers `question`.
  void reply(const PeerId& to, const protocol::mesh::Message& question, std::string_view type,
             json::Object payload, Callback<void> done);
  void broadcast(const protocol::mesh::Message& message, Callback<void> done);
  void list_peers(Callback<std::vector<PeerId>> done);
  // Done when the link is open.
  void connect(const PeerId& peer, Callback<void> done);
  void status(Callback<json::Object> done);

  // Sends a message that asks for an answer, under a request id of its own. Chunks of the answer
  // go to `on_chunk`, which may be empty. A link that closes after it took the message ends the
  // wait with peer_lost.
  void request(const PeerId& to, protocol::mesh::Message message, Instant deadline,
               OnChunk on_chunk, Callback<protocol::mesh::Message> done);

  std::size_t pending() const { return commands_.size() + requests_.size(); }
  // Commands that the sidecar has not answered yet.
  std::size_t commands_waiting() const { return commands_.size(); }

 private:
  struct Request {
    PeerId peer;
    OnChunk on_chunk;
    Callback<protocol::mesh::Message> done;
    bool is_sent = false;  // the link has taken it
  };
  using Answer = Callback<protocol::ipc::Event>;

  void command(const std::string& id, std::string line, Answer answer);
  void on_line(std::string_view line);
  void on_answer(const std::string& id, Result<protocol::ipc::Event> answer);
  void on_message(const protocol::ipc::MessageEvent& event);
  void on_timeout();
  void on_sent(const std::string& id, Result<void> sent);
  void on_peer_lost(const protocol::ipc::PeerDisconnected& lost);
  void arm();
  std::string next_id();

  Options options_;
  std::function<void(Event)> on_event_;
  std::shared_ptr<net::LineConnection> connection_;
  PendingTable<Answer> commands_;
  PendingTable<Request> requests_;
  net::Timer timer_;
  std::string id_prefix_;
  std::uint64_t ids_ = 0;
};

}  // namespace chatixia::agent
