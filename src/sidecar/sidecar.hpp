#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "crypto/certificate.hpp"
#include "crypto/random.hpp"
#include "mesh/node.hpp"
#include "net/loop.hpp"
#include "protocol/ipc.hpp"
#include "sidecar/agent_link.hpp"
#include "sidecar/datagram_driver.hpp"
#include "sidecar/options.hpp"
#include "sidecar/registry_link.hpp"

namespace chatixia::sidecar {

// Joins the mesh to the world: the agent's commands, the registry's envelopes and UDP datagrams
// go into the node; after each turn of the loop, what the node has to say goes out.
class Sidecar {
 public:
  // Binds the sockets; nothing is sent before start(). The error is for the person at the shell.
  static Result<std::unique_ptr<Sidecar>> open(net::Loop& loop, Options options);

  void start();
  // Says goodbye to the peers and the registry, then stops the loop.
  void stop();
  // It stopped by itself, because it cannot go on; the reason is in the log.
  bool has_failed() const { return failed_; }

 private:
  Sidecar(net::Loop& loop, Options options, crypto::Certificate certificate);

  void on_identity(const PeerId& self);
  void on_config(const protocol::api::Config& config);
  void on_datagrams(std::span<const Datagram> datagrams);
  void on_line(std::string_view line);
  void on_oversized_line();
  void on_agent_arrived();
  void on_agent_left();
  void on_command(const protocol::ipc::Command& command);
  void on_send(const std::optional<std::string>& id, const protocol::ipc::Send& send);
  void on_broadcast(const std::optional<std::string>& id, std::string_view message);
  void on_connect(const std::optional<std::string>& id, const PeerId& peer);
  void on_event(mesh::Node::Event event);

  void answer_ok(const std::optional<std::string>& id);
  void answer_error(const std::optional<std::string>& id, const Error& error, const PeerId& target);
  void settle_connects(const PeerId& peer, const Error* error);
  void refresh_addresses();
  json::Object status() const;
  // Asks for one drain() at the end of the loop's turn, whatever number of inputs it had.
  void wake();
  void drain();

  net::Loop& loop_;
  Options options_;
  crypto::SystemRandom random_;
  crypto::Certificate certificate_;
  std::unique_ptr<DatagramDriver> datagrams_;
  std::unique_ptr<AgentLink> agent_;
  std::optional<mesh::Node> node_;  // from the moment the registry has said who we are
  PeerId self_;
  std::unique_ptr<RegistryLink> registry_;
  net::Timer timer_;
  net::Timer address_check_;
  std::vector<Endpoint> addresses_;
  std::vector<rtc::ice::Server> servers_;
  std::shared_ptr<void> config_;  // held for the newest on_config(); earlier ones do not count

  // Commands that wait for their outcome, by what settles them.
  std::unordered_map<mesh::Ticket, std::optional<std::string>> waiting_sends_;
  std::unordered_multimap<PeerId, std::string> waiting_connects_;
  std::vector<PeerId> open_when_agent_left_;
  std::vector<Transmit> batch_;
  bool awake_ = false;
  bool stopping_ = false;
  bool failed_ = false;
};

}  // namespace chatixia::sidecar
