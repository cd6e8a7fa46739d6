#include "sidecar/sidecar.hpp"

#include "base/log.hpp"
#include "sidecar/ice_servers.hpp"
#include "sidecar/link_json.hpp"

namespace chatixia::sidecar {

namespace {

constexpr Log log("sidecar");

constexpr Duration address_check_interval = std::chrono::seconds(5);
// What one drain hands to the kernel at a time.
constexpr std::size_t batch_max = 256;
constexpr Duration farewell = std::chrono::milliseconds(50);
constexpr Duration certificate_lifetime = std::chrono::hours(24 * 365);

bool is_local(const std::string& host) {
  const auto ip = IpAddress::parse(host);
  return host == "localhost" || (ip && ip->is_loopback());
}

}  // namespace

Result<std::unique_ptr<Sidecar>> Sidecar::open(net::Loop& loop, Options options) {
  const auto signaling = net::Url::parse(options.signaling_url);
  if (!signaling || (signaling->scheme != "ws" && signaling->scheme != "wss"))
    return fail(ParseError::bad_value, "SIGNALING_URL is \"" + options.signaling_url +
                                           "\"; it takes ws://host:port/ws or wss://...");
  const auto token = net::Url::parse(options.token_url);
  if (!token || (token->scheme != "http" && token->scheme != "https"))
    return fail(ParseError::bad_value,
                "TOKEN_URL is \"" + options.token_url +
                    "\"; it takes http://host:port/api/token or https://...");
  if (!token->is_secure() && !is_local(token->host) && !options.api_key.empty())
    log.warning("the API key crosses the network in clear; use https:// in TOKEN_URL",
                {{"url", options.token_url}});
  auto certificate = crypto::Certificate::make(net::wall_now(), certificate_lifetime);
  if (!certificate) return std::unexpected(certificate.error());

  std::unique_ptr<Sidecar> sidecar(new Sidecar(loop, std::move(options), *std::move(certificate)));
  Sidecar& self = *sidecar;
  auto datagrams =
      DatagramDriver::open(loop,
                           {.port = self.options_.udp_port,
                            .addresses = self.options_.ice_addresses,
                            .offer_loopback = is_local(signaling->host)},
                           [&self](std::span<const Datagram> batch) { self.on_datagrams(batch); });
  if (!datagrams) return std::unexpected(datagrams.error());
  self.datagrams_ = *std::move(datagrams);

  auto agent = AgentLink::listen(loop, self.options_.ipc_socket,
                                 {.on_line = [&self](std::string_view line) { self.on_line(line); },
                                  .on_oversized = [&self] { self.on_oversized_line(); },
                                  .on_arrived = [&self] { self.on_agent_arrived(); },
                                  .on_left = [&self] { self.on_agent_left(); }});
  if (!agent) return std::unexpected(agent.error());
  self.agent_ = *std::move(agent);

  self.registry_ = std::make_unique<RegistryLink>(
      loop, RegistryLink::Options{*signaling, *token, self.options_.api_key}, self.random_,
      RegistryLink::Handlers{
          .on_identity = [&self](const PeerId& id) { self.on_identity(id); },
          .on_open =
              [&self] {
                self.node_->handle_signaling_open(net::now());
                self.wake();
                // Of no use to an agent that comes later: it asks for the status.
                if (self.agent_->has_agent())
                  self.agent_->deliver(protocol::ipc::encode_registry_connected(self.self_));
              },
          .on_closed =
              [&self] {
                self.node_->handle_signaling_closed(net::now());
                self.wake();
              },
          .on_envelope =
              [&self](const protocol::signaling::Envelope& envelope) {
                self.node_->handle_signal(net::now(), envelope);
                self.wake();
              },
          .on_config = [&self](const protocol::api::Config& config) { self.on_config(config); }});
  return sidecar;
}

Sidecar::Sidecar(net::Loop& loop, Options options, crypto::Certificate certificate)
    : loop_(loop),
      options_(std::move(options)),
      certificate_(std::move(certificate)),
      timer_(loop,
             [this] {
               if (stopping_) return loop_.stop();
               if (node_) node_->handle_timeout(net::now());
               wake();
             }),
      address_check_(loop, [this] { refresh_addresses(); }) {
  loop_.set_busy_poll(options_.busy_poll);
}

void Sidecar::start() {
  log.info("listening for the agent", {{"socket", options_.ipc_socket}});
  registry_->start();
}

void Sidecar::stop() {
  if (std::exchange(stopping_, true)) return;
  log.info("shutting down");
  if (node_) {
    node_->close(net::now());
    drain();
  }
  registry_->stop();
  agent_->close();
  address_check_.cancel();
  // A moment for the close frame and the agent's last lines to leave.
  timer_.expires_after(farewell);
}

void Sidecar::on_identity(const PeerId& self) {
  if (node_) {
    if (self == self_) return;
    // The links are those of the old id, and every envelope of it would be refused.
    log.error("the registry gave this key another peer id; a new start takes it",
              {{"was", self_.value()}, {"is", self.value()}});
    failed_ = true;
    stop();
    return;
  }
  self_ = self;
  node_.emplace(
      mesh::Node::Options{
          .self = self, .certificate = &certificate_, .relay_only = options_.relay_only},
      random_, net::now());
  log.info("identified", {{"peer", self.value()}});
  on_config({});
  refresh_addresses();
}

void Sidecar::on_config(const protocol::api::Config& config) {
  protocol::api::Config all = configured_servers(options_, net::wall_now());
  all.ice_servers.insert(all.ice_servers.end(), config.ice_servers.begin(),
                         config.ice_servers.end());
  config_ = std::make_shared<char>();
  const std::weak_ptr<void> current = config_;
  resolve_servers(loop_, all, [this, current](std::vector<rtc::ice::Server> servers) {
    if (current.expired() || stopping_ || !node_) return;
    servers_ = std::move(servers);
    node_->set_ice_servers(net::now(), servers_);
    wake();
  });
}

void Sidecar::refresh_addresses() {
  address_check_.expires_after(address_check_interval);
  std::vector<Endpoint> found = datagrams_->addresses();
  if (found == addresses_) return;
  addresses_ = std::move(found);
  node_->set_host_addresses(net::now(), addresses_);
  wake();
}

void Sidecar::on_datagrams(std::span<const Datagram> datagrams) {
  if (!node_) return;
  const Instant now = net::now();
  for (const Datagram& datagram : datagrams) node_->handle_datagram(now, datagram);
  wake();
}

void Sidecar::wake() {
  if (std::exchange(awake_, true) || stopping_) return;
  loop_.at_turn_end([this] {
    awake_ = false;
    if (!stopping_) drain();
  });
}

void Sidecar::drain() {
  if (!node_) return;
  while (auto event = node_->poll_event()) on_event(std::move(*event));
  while (auto envelope = node_->poll_signal()) registry_->send(*envelope);
  for (;;) {
    while (batch_.size() < batch_max) {
      auto transmit = node_->poll_transmit();
      if (!transmit) break;
      batch_.push_back(std::move(*transmit));
    }
    if (batch_.empty()) break;
    datagrams_->send(batch_);
    batch_.clear();
  }
  timer_.expires_at(node_->next_timeout());
}

}  // namespace chatixia::sidecar
