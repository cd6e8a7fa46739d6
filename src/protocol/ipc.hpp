#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/strong.hpp"
#include "json/json.hpp"
#include "protocol/errors.hpp"

// Agent and sidecar: one JSON object a line over a Unix socket. The sidecar reads the envelope,
// never the letter: a message passes as the bytes it came in. See docs/protocol/ipc.md.
namespace chatixia::protocol::ipc {

// Commands, agent to sidecar. Views point into the parsed line.
struct Send {
  PeerId target;
  std::string_view message;
};
struct Broadcast {
  std::string_view message;
};
struct ListPeers {};
struct Connect {
  PeerId target;
};
struct Status {};  // ours: asks for the state of every link and how it came about

struct Command {
  // Present: the sidecar answers this command with `ok` or `error` carrying the same id.
  std::optional<std::string> id;
  std::variant<Send, Broadcast, ListPeers, Connect, Status> body;
};

// What a refused line still told, so that the answer can name the command.
struct BadCommand {
  std::optional<std::string> id;
  Problem problem;  // bad_request, too_large, message_too_large or unknown_command
};
// `message` must be a JSON object of at most limits::message_bytes_max bytes, nested at most
// limits::json_depth_max deep. The line is read once, whatever its size.
[[nodiscard]] std::expected<Command, BadCommand> parse_command(std::string_view line);

// Lines for the sidecar, without the newline.
std::string encode_send(const std::optional<std::string>& id, const PeerId& target,
                        std::string_view message);
std::string encode_broadcast(const std::optional<std::string>& id, std::string_view message);
std::string encode_list_peers(const std::optional<std::string>& id);
std::string encode_connect(const std::optional<std::string>& id, const PeerId& target);
std::string encode_status(const std::optional<std::string>& id);

// Events, sidecar to agent. Views point into the parsed line.
struct MessageEvent {
  PeerId from;
  std::string_view message;
};
// `link` says how the link came about: see docs/protocol/ipc.md.
struct PeerConnected {
  PeerId peer;
  json::Object link;
};
struct PeerDisconnected {
  PeerId peer;
  std::string reason;
  // Answered by `ok` and not acknowledged by the peer: it may have missed them.
  std::uint64_t undelivered_bytes = 0;
};
// The registry is connected, again if it was before: what it knew of the agent may be gone.
struct RegistryConnected {
  PeerId self;
};
struct PeerListEvent {
  std::vector<PeerId> peers;
};
struct StatusEvent {
  json::Object status;
};
struct Ok {};
struct ErrorEvent {
  Problem problem;
  std::optional<PeerId> target;
};
struct UnknownEvent {
  std::string type;
};

struct Event {
  std::optional<std::string> id;
  std::variant<MessageEvent, PeerConnected, PeerDisconnected, RegistryConnected, PeerListEvent,
               StatusEvent, Ok, ErrorEvent, UnknownEvent>
      body;
};
Result<Event> parse_event(std::string_view line);

// A message from a foreign peer may be anything: only a JSON object within the limits of size and
// nesting goes on to the agent.
bool is_relayable(std::string_view body);

// Lines for the agent, without the newline. `message` is relayable, and is not read again; newlines
// between its tokens become spaces.
std::string encode_message(const PeerId& from, std::string_view message);
std::string encode_peer_connected(const PeerId& peer, const json::Object& link);
std::string encode_peer_disconnected(const PeerId& peer, std::string_view reason,
                                     std::uint64_t undelivered_bytes = 0);
std::string encode_registry_connected(const PeerId& self);
std::string encode_peer_list(const std::optional<std::string>& id,
                             const std::vector<PeerId>& peers);
std::string encode_status_event(const std::optional<std::string>& id, const json::Object& status);
std::string encode_ok(const std::string& id);
std::string encode_error(const std::optional<std::string>& id, const Problem& problem,
                         const std::optional<PeerId>& target);

}  // namespace chatixia::protocol::ipc
