#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "json/json.hpp"
#include "protocol/ipc.hpp"

using namespace chatixia;
namespace ipc = protocol::ipc;

namespace {

std::string print(const ipc::Command& command) {
  if (const auto* const send = std::get_if<ipc::Send>(&command.body))
    return ipc::encode_send(command.id, send->target, send->message);
  if (const auto* const broadcast = std::get_if<ipc::Broadcast>(&command.body))
    return ipc::encode_broadcast(command.id, broadcast->message);
  if (const auto* const connect = std::get_if<ipc::Connect>(&command.body))
    return ipc::encode_connect(command.id, connect->target);
  if (std::holds_alternative<ipc::ListPeers>(command.body))
    return ipc::encode_list_peers(command.id);
  return ipc::encode_status(command.id);
}

struct EventPrinter {
  const std::optional<std::string>& id;
  std::string operator()(const ipc::MessageEvent& event) const {
    return ipc::encode_message(event.from, event.message);
  }
  std::string operator()(const ipc::PeerConnected& event) const {
    return ipc::encode_peer_connected(event.peer, event.link);
  }
  std::string operator()(const ipc::PeerDisconnected& event) const {
    return ipc::encode_peer_disconnected(event.peer, event.reason, event.undelivered_bytes);
  }
  std::string operator()(const ipc::RegistryConnected& event) const {
    return ipc::encode_registry_connected(event.self);
  }
  std::string operator()(const ipc::PeerListEvent& event) const {
    return ipc::encode_peer_list(id, event.peers);
  }
  std::string operator()(const ipc::StatusEvent& event) const {
    return ipc::encode_status_event(id, event.status);
  }
  std::string operator()(const ipc::Ok&) const { return ipc::encode_ok(id.value_or("")); }
  std::string operator()(const ipc::ErrorEvent& event) const {
    return ipc::encode_error(id, event.problem, event.target);
  }
  std::string operator()(const ipc::UnknownEvent&) const { return {}; }
};

std::string print(const ipc::Event& event) {
  return std::visit(EventPrinter{.id = event.id}, event.body);
}

// What is printed is one line, is understood, and is printed the same again.
template <class Parse>
void check(std::string_view line, Parse parse) {
  const auto read = parse(line);
  if (!read) return;
  const std::string printed = print(*read);
  if (printed.empty()) return;
  expects(printed.find_first_of("\r\n") == printed.npos);
  // Escaping can make a line longer than any that would have been accepted.
  if (printed.size() > line.size()) return;
  const auto again = parse(printed);
  expects(again.has_value());
  expects(again->body.index() == read->body.index());
  expects(print(*again) == printed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  check(text, ipc::parse_command);
  check(text, ipc::parse_event);
  if (ipc::is_relayable(text)) {
    const std::string line = ipc::encode_message(PeerId("peer"), text);
    const auto event = ipc::parse_event(line);
    expects(event.has_value());
    expects(std::holds_alternative<ipc::MessageEvent>(event->body));
  }
  return 0;
}
