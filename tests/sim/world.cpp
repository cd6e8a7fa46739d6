#include "sim/world.hpp"

#include <cstdlib>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "protocol/signaling.hpp"
#include "support/fake_turn_server.hpp"
#include "support/virtual_clock.hpp"

namespace chatixia::sim {

using protocol::signaling::Envelope;

// One machine with its sidecar; crash and boot make a new incarnation at a new address.
struct World::Host final : registry::Bus::Connection {
  Host(World& its_world, std::string its_name) : world(its_world), name(std::move(its_name)) {}

  bool deliver(std::string envelope) override {
    const int to = incarnation;
    world.at(world.now_ + std::chrono::milliseconds(2), [this, to, text = std::move(envelope)] {
      if (!node || incarnation != to || !session) return;
      const auto parsed = Envelope::parse(text);
      ASSERT_TRUE(parsed) << text;
      node->handle_signal(world.now_, *parsed);
      world.drain(*this);
    });
    return true;
  }
  void close(std::uint16_t, std::string) override {
    world.at(world.now_, [this] { world.lose_signaling(*this); });
  }

  World& world;
  std::string name;
  int incarnation = 0;
  Endpoint address;
  std::optional<crypto::Certificate> certificate;
  std::optional<mesh::Node> node;
  std::optional<testing::FakeTurnServer> turn;
  std::optional<registry::SignalingHub::SessionId> session;
  std::map<mesh::Ticket, std::pair<std::string, std::uint64_t>> waiting;  // conversation, number
};

World::World(std::uint64_t seed) : random_(seed) {
  testing::set_virtual_time(now_);
  testing::seed_virtual_randomness(seed);
  hub_ = std::make_unique<registry::SignalingHub>(bus_);
}

World::~World() = default;

void World::note(std::uint64_t fact) {
  trace_ = (trace_ ^ fact) * 0x100000001b3;
}

void World::at(Instant when, std::function<void()> run) {
  happenings_.emplace(when, Happening{std::move(run)});
}

void World::boot(const std::string& name, const Machine& machine) {
  auto& slot = hosts_[name];
  if (!slot) slot = std::make_unique<Host>(*this, name);
  Host& host = *slot;
  ASSERT_FALSE(host.node) << name << " runs already";
  ++host.incarnation;
  if (!machine.same_address || host.incarnation == 1) {
    const auto number = static_cast<std::uint32_t>(names_by_address_.size() + 1);
    host.address = {IpAddress::v4(0x0a000000 + number), 4000};
    names_by_address_[host.address] = name;
    host.turn.reset();
    if (machine.relay_only) {
      host.turn.emplace();
      host.turn->address = {IpAddress::v4(0x0b000000 + number), 3478};
      host.turn->relayed_address = {IpAddress::v4(0x0b000000 + number), 50000};
      names_by_address_[host.turn->relayed_address] = name;
    }
  }
  host.certificate = *crypto::Certificate::make(WallTime(std::chrono::hours(24 * 365 * 60)),
                                                std::chrono::hours(24 * 365));
  host.node.emplace(mesh::Node::Options{.self = PeerId(name), .certificate = &*host.certificate},
                    random_, now_);
  host.node->set_host_addresses(now_, {host.address});
  if (host.turn)
    host.node->set_ice_servers(now_, {{rtc::ice::Server::Kind::turn, host.turn->address,
                                       host.turn->username, host.turn->password}});
  connect_signaling(host);
  drain(host);
}

void World::renew_credentials() {
  for (auto& [name, host] : hosts_) {
    if (!host->node || !host->turn) continue;
    host->node->set_ice_servers(
        now_, {{rtc::ice::Server::Kind::turn, host->turn->address, "renewed", "renewed secret"}});
    drain(*host);
  }
}

void World::crash(const std::string& name) {
  Host& host = this->host(name);
  lose_signaling(host);
  host.node.reset();
  host.waiting.clear();
}

void World::shut_down(const std::string& name) {
  Host& host = this->host(name);
  host.node->close(now_);
  drain(host);
  crash(name);
}

void World::stop_registry() {
  for (auto& [name, host] : hosts_) lose_signaling(*host);
  hub_.reset();
}

void World::start_registry() {
  hub_ = std::make_unique<registry::SignalingHub>(bus_);
  for (auto& [name, host] : hosts_) {
    if (!host->node) continue;
    at(now_ + random_.up_to(std::chrono::seconds(1)),
       [this, raw = host.get()] { connect_signaling(*raw); });
  }
}

void World::connect_signaling(Host& host) {
  if (!hub_ || !host.node || host.session) return;
  host.session = hub_->open(now_, PeerId(host.name), host);
  host.node->handle_signaling_open(now_);
  drain(host);
}

void World::lose_signaling(Host& host) {
  if (!host.session) return;
  const auto session = *host.session;
  host.session.reset();
  if (hub_) hub_->handle_closed(session);
  if (!host.node) return;
  host.node->handle_signaling_closed(now_);
  drain(host);
}

const Weather& World::weather_between(const Host& from, const Host& to) const {
  const auto found = special_.find({from.name, to.name});
  return found == special_.end() ? weather_ : found->second;
}

void World::transmit(Host& from, Transmit transmit) {
  if (!from.turn) return travel(from, transmit);
  if (transmit.remote == from.turn->address) transmit_by_relay(from, transmit);
}

void World::transmit_by_relay(Host& from, const Transmit& transmit) {
  constexpr Duration to_relay = std::chrono::milliseconds(1);
  for (Buffer& answer : from.turn->handle(transmit.local, transmit.bytes))
    deliver(from, to_relay, from.turn->address, std::move(answer));
  for (auto& relayed : std::exchange(from.turn->relayed, {}))
    travel(from, {from.turn->relayed_address, relayed.peer, std::move(relayed.bytes)});
}

void World::travel(Host& from, const Transmit& transmit) {
  const auto found = names_by_address_.find(transmit.remote);
  if (found == names_by_address_.end()) return;
  Host& to = host(found->second);
  const bool is_relayed = to.turn && to.turn->relayed_address == transmit.remote;
  if (is_relayed ? !to.turn->permissions.contains(transmit.local.ip)
                 : to.turn || to.address != transmit.remote)
    return;
  const Weather& weather = weather_between(from, to);
  const int copies = random_.unit() < weather.duplication ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    if (weather.cut || random_.unit() < weather.loss) continue;
    const Duration after = weather.delay + random_.up_to(weather.jitter);
    if (is_relayed)
      deliver(to, after, to.turn->address, to.turn->wrap(transmit.local, transmit.bytes));
    else
      deliver(to, after, transmit.local, transmit.bytes);
  }
}

void World::deliver(Host& to, Duration after, const Endpoint& from, Buffer bytes) {
  at(now_ + after, [this, &to, from, address = to.address, taken = std::move(bytes)] {
    // A crashed machine's address answers no more, and a new incarnation may have another.
    if (!to.node || to.address != address) return;
    note(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    note(taken.size());
    to.node->handle_datagram(now_, {address, from, taken});
    drain(to);
  });
}

void World::drain(Host& host) {
  if (!host.node) return;
  while (auto event = host.node->poll_event()) on_event(host, std::move(*event));
  while (auto envelope = host.node->poll_signal()) {
    at(now_ + std::chrono::milliseconds(2),
       [this, &host, session = host.session, text = envelope->encode()] {
         if (hub_ && session && host.session == session) hub_->handle_text(now_, *session, text);
       });
  }
  while (auto output = host.node->poll_transmit()) transmit(host, std::move(*output));
}

void World::on_event(Host& host, mesh::Node::Event event) {
  if (auto* message = std::get_if<mesh::Node::MessageReceived>(&event)) {
    on_message(host, message->from, as_text(message->body));
  } else if (auto* sent = std::get_if<mesh::Node::Sent>(&event)) {
    EXPECT_EQ(host.waiting.erase(sent->ticket), 1U) << "an outcome nobody waits for";
  } else if (auto* failed = std::get_if<mesh::Node::SendFailed>(&event)) {
    const auto waiting = host.waiting.extract(failed->ticket);
    ASSERT_TRUE(waiting) << "an outcome nobody waits for";
    const auto& [conversation, number] = waiting.mapped();
    conversations_[conversation].failed.insert(number);
    ++failed_sends_;
  }
}

bool World::send(const std::string& from, const std::string& to) {
  Host& sender = host(from);
  const std::uint64_t number = ++last_number_;
  const std::string key = fmt::format("{}/{}>{}", from, sender.incarnation, to);
  const std::string body = fmt::format(
      R"({{"type":"test","from":"{}","to":"{}","key":"{}","number":{}}})", from, to, key, number);
  const auto sent = sender.node->send(now_, PeerId(to), body);
  if (sent) {
    Conversation& conversation = conversations_[key];
    conversation.sent.insert(number);
    if (*sent) sender.waiting.emplace(**sent, std::pair(key, number));
  }
  drain(sender);
  return sent.has_value();
}

void World::on_message(Host& to, const PeerId& from, std::string_view body) {
  const auto message = json::parse_object(body, {});
  ASSERT_TRUE(message) << body;
  EXPECT_EQ(message->at("from").as_string(), from.value()) << "from is not who sent it";
  EXPECT_EQ(message->at("to").as_string(), to.name) << "delivered to the wrong peer";
  const auto number = static_cast<std::uint64_t>(message->at("number").as_int64());
  Conversation& conversation = conversations_[std::string(message->at("key").as_string())];
  EXPECT_TRUE(conversation.sent.contains(number)) << "never sent: " << body;
  EXPECT_TRUE(conversation.seen.insert(number).second) << "delivered twice: " << body;
  EXPECT_GT(number, conversation.last_seen) << "out of order: " << body;
  conversation.last_seen = number;
  ++delivered_;
  note(number);
}

bool World::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = now_ + limit;
  while (!done()) {
    Instant next = happenings_.empty() ? never : happenings_.begin()->first;
    for (auto& [name, host] : hosts_)
      if (host->node) next = std::min(next, host->node->next_timeout());
    if (next > end) {
      now_ = end;
      return done();
    }
    now_ = std::max(now_, next);
    testing::set_virtual_time(now_);
    while (!happenings_.empty() && happenings_.begin()->first <= now_) {
      auto happening = happenings_.extract(happenings_.begin());
      happening.mapped().run();
    }
    for (auto& [name, host] : hosts_) {
      if (!host->node || host->node->next_timeout() > now_) continue;
      host->node->handle_timeout(now_);
      drain(*host);
    }
  }
  return true;
}

void World::run_for(Duration span) {
  run_until([] { return false; }, span);
}

bool World::linked(const std::string& a, const std::string& b) const {
  const auto sees = [&](const std::string& one, const std::string& other) {
    const auto& node = host(one).node;
    if (!node) return false;
    const auto open = node->open_peers();
    return std::ranges::find(open, PeerId(other)) != open.end();
  };
  return sees(a, b) && sees(b, a);
}

bool World::all_linked() const {
  for (const auto& [a, host_a] : hosts_)
    for (const auto& [b, host_b] : hosts_)
      if (a < b && host_a->node && host_b->node && !linked(a, b)) return false;
  return true;
}

std::size_t World::outstanding_after(std::uint64_t after) const {
  std::size_t count = 0;
  for (const auto& [key, conversation] : conversations_)
    for (const std::uint64_t number : conversation.sent)
      if (number > after && !conversation.seen.contains(number) &&
          !conversation.failed.contains(number))
        ++count;
  return count;
}

mesh::Node& World::node(const std::string& name) {
  return *host(name).node;
}

std::uint64_t seed_from_env(std::uint64_t fallback) {
  const char* text = std::getenv("CHATIXIA_SIM_SEED");
  return text ? std::strtoull(text, nullptr, 0) : fallback;
}

}  // namespace chatixia::sim
