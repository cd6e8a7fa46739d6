#include <functional>
#include <map>
#include <utility>

#include <gmock/gmock.h>

#include "mesh/node.hpp"
#include "rtc/ice/binding.hpp"
#include "support/fake_turn_server.hpp"

// Nodes joined by hand: whatever one of them sends arrives at once.
namespace chatixia::mesh {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::HasSubstr;

Endpoint at(std::string_view text) {
  return Endpoint::parse(text).value();
}

const crypto::Certificate& certificate() {
  static const crypto::Certificate made =
      *crypto::Certificate::make(WallTime(24h * 365 * 60), 24h * 365);
  return made;
}

class JoinedNodes : public ::testing::Test {
 protected:
  struct Host {
    std::vector<Endpoint> addresses;
    std::optional<Node> node;
    std::vector<Node::Event> events;
    std::vector<Buffer> requests;  // STUN requests that it sent to peers
    std::vector<std::string> signalled;

    Node* operator->() { return &*node; }
    template <class Event>
    std::vector<Event> all() const {
      std::vector<Event> found;
      for (const Node::Event& event : events)
        if (const auto* match = std::get_if<Event>(&event)) found.push_back(*match);
      return found;
    }
  };

  Host& add(const std::string& name, std::vector<Endpoint> addresses, Node::Options options = {}) {
    Host& host = hosts[name];
    options.self = PeerId(name);
    options.certificate = &certificate();
    host.addresses = std::move(addresses);
    host.node.emplace(std::move(options), random, now);
    host->set_host_addresses(now, host.addresses);
    host->handle_signaling_open(now);
    carry();
    return host;
  }
  void move(Host& host, std::vector<Endpoint> addresses) {
    host.addresses = std::move(addresses);
    host->set_host_addresses(now, host.addresses);
    carry();
  }

  void carry() {
    for (bool more = true; more;) {
      more = false;
      for (auto& [name, host] : hosts) {
        if (!host.node) continue;
        while (auto event = host->poll_event()) host.events.push_back(std::move(*event));
        while (auto envelope = host->poll_signal()) {
          more = true;
          host.signalled.push_back(envelope->type);
          const auto to = hosts.find(envelope->target_id.value_or(""));
          if (to != hosts.end()) to->second->handle_signal(now, *envelope);
        }
        while (auto transmit = host->poll_transmit()) {
          more = true;
          if (transmit->bytes[0] == 0) host.requests.push_back(transmit->bytes);
          deliver(*transmit);
        }
      }
    }
  }
  void deliver(const Transmit& transmit) {
    if (cut) return;
    if (transmit.remote == turn.address) {
      for (const Buffer& answer : turn.handle(transmit.local, transmit.bytes))
        find(transmit.local)->node->handle_datagram(now, {transmit.local, turn.address, answer});
      return;
    }
    if (Host* to = find(transmit.remote); to && find(transmit.local))
      to->node->handle_datagram(now, {transmit.remote, transmit.local, transmit.bytes});
  }
  Host* find(const Endpoint& address) {
    for (auto& [name, host] : hosts)
      if (std::ranges::find(host.addresses, address) != host.addresses.end()) return &host;
    return nullptr;
  }
  Instant next_timeout() {
    Instant next = never;
    for (auto& [name, host] : hosts) next = std::min(next, host->next_timeout());
    return next;
  }
  void run_for(Duration span) {
    const Instant end = now + span;
    while (next_timeout() <= end) {
      now = std::max(now, next_timeout());
      for (auto& [name, host] : hosts)
        if (host->next_timeout() <= now) host->handle_timeout(now);
      carry();
    }
    now = end;
  }
  bool link(Host& from, const std::string& to) {
    if (!from->connect(now, PeerId(to))) return false;
    carry();
    run_for(1s);
    const auto open = from->open_peers();
    return std::ranges::find(open, PeerId(to)) != open.end();
  }

  Instant now{1h};
  SeededRandom random{1};
  testing::FakeTurnServer turn;
  std::map<std::string, Host> hosts;
  bool cut = false;
};

TEST_F(JoinedNodes, TellsWhatAnAttemptThatFailedWasWaitingFor) {
  Host& a = add("a", {at("192.0.2.1:4000")});
  add("y", {at("192.0.2.2:4000")});
  cut = true;
  ASSERT_TRUE(a->send(now, PeerId("y"), "{}"));
  carry();
  run_for(16s);
  const auto failed = a.all<Node::SendFailed>();
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].error.code, Errc::connect_failed);
  EXPECT_THAT(failed[0].error.message(), HasSubstr("connectivity check"));
}

TEST_F(JoinedNodes, NothingLeavesForARelayThatIsLost) {
  Host& a = add("a", {at("192.0.2.1:4000")}, {.relay_only = true});
  add("y", {at("192.0.2.2:4000")});
  a->set_ice_servers(now, {{rtc::ice::Server::Kind::turn, turn.address, "user", "secret"}});
  carry();
  ASSERT_TRUE(turn.is_allocated);
  turn.refusals = {{rtc::stun::Method::create_permission, 437}};
  ASSERT_TRUE(a->connect(now, PeerId("y")));
  std::vector<Endpoint> targets;
  for (int round = 0; round < 100; ++round) {
    while (auto envelope = a->poll_signal()) hosts["y"]->handle_signal(now, *envelope);
    while (auto envelope = hosts["y"]->poll_signal())
      if (envelope->target_id) a->handle_signal(now, *envelope);
    while (auto transmit = a->poll_transmit()) {
      targets.push_back(transmit->remote);
      deliver(*transmit);
    }
    now += 50ms;
    if (a->next_timeout() <= now) a->handle_timeout(now);
  }
  EXPECT_GT(turn.requests[rtc::stun::Method::create_permission], 0);
  EXPECT_THAT(targets, Each(turn.address));
}

TEST_F(JoinedNodes, AnOpenLinkLeavesAnAddressThatIsGoneAtOnce) {
  for (const bool larger_name_moves : {false, true}) {
    hosts.clear();
    Host& a = add("a", {at("192.0.2.1:4000"), at("198.51.100.1:4000")});
    Host& y = add("y", {at("192.0.2.2:4000"), at("198.51.100.2:4000")});
    ASSERT_TRUE(link(a, "y"));
    Host& mover = larger_name_moves ? y : a;
    const Endpoint before = mover->links()[0].path->local;
    move(mover, {mover.addresses[0] == before ? mover.addresses[1] : mover.addresses[0]});
    // The controlled side waits for the other one to notice and to decide.
    run_for(larger_name_moves ? 9s : 100ms);
    for (Host* host : {&a, &y}) {
      ASSERT_EQ(host->node->links().size(), 1u);
      const auto path = host->node->links()[0].path;
      ASSERT_TRUE(path);
      EXPECT_NE(host == &mover ? path->local : path->remote, before) << larger_name_moves;
    }
    EXPECT_TRUE(a.all<Node::PeerDisconnected>().empty());
  }
}

TEST_F(JoinedNodes, AnOpenLinkMovesToAnAddressThatIsNew) {
  Host& a = add("a", {at("192.0.2.1:4000")});
  Host& y = add("y", {at("192.0.2.2:4000")});
  ASSERT_TRUE(link(a, "y"));
  move(a, {at("198.51.100.9:4000")});
  run_for(8s);
  ASSERT_TRUE(a->send(now, PeerId("y"), "{}"));
  carry();
  run_for(1s);
  EXPECT_EQ(y.all<Node::MessageReceived>().size(), 1u);
  EXPECT_TRUE(a.all<Node::PeerDisconnected>().empty());
}

TEST_F(JoinedNodes, AWaitingMessageThatIsTooLargeForThePeerIsSaidToBe) {
  Host& a = add("a", {at("192.0.2.1:4000")});
  add("y", {at("192.0.2.2:4000")}, {.connection = {.message_bytes_max = 1000}});
  ASSERT_TRUE(a->send(now, PeerId("y"), std::string(2000, 'x')));
  carry();
  run_for(1s);
  const auto failed = a.all<Node::SendFailed>();
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].error.code, Errc::message_too_large);
}

TEST_F(JoinedNodes, ABroadcastTellsWhyItMissedAPeer) {
  Host& a = add("a", {at("192.0.2.1:4000")});
  add("x", {at("192.0.2.2:4000")}, {.connection = {.message_bytes_max = 1000}});
  Host& y = add("y", {at("192.0.2.3:4000")});
  ASSERT_TRUE(link(a, "x") && link(a, "y"));
  const auto missed = a->broadcast(now, std::string(2000, 'x'));
  carry();
  ASSERT_EQ(missed.size(), 1u);
  EXPECT_EQ(missed[0].first, PeerId("x"));
  EXPECT_EQ(missed[0].second.code, Errc::message_too_large);
  EXPECT_EQ(y.all<Node::MessageReceived>().size(), 1u);
}

TEST_F(JoinedNodes, AForgedSourceTakesNoAddressAwayFromItsLink) {
  Host& a = add("a", {at("192.0.2.1:4000")});
  Host& x = add("x", {at("192.0.2.3:4000")});
  Host& y = add("y", {at("192.0.2.2:4000")});
  ASSERT_TRUE(link(a, "y"));
  ASSERT_TRUE(link(x, "a"));
  ASSERT_FALSE(x.requests.empty());
  a->handle_datagram(now, {a.addresses[0], y.addresses[0], x.requests.back()});
  carry();
  ASSERT_TRUE(y->send(now, PeerId("a"), "{}"));
  carry();
  EXPECT_EQ(a.all<Node::MessageReceived>().size(), 1u);
}

TEST_F(JoinedNodes, AnAddressGoesToThePeerThatAnswersFromIt) {
  Host& a = add("a", {at("192.0.2.1:4000")});
  Host& y = add("y", {at("192.0.2.2:4000")});
  ASSERT_TRUE(link(a, "y"));
  // Another one runs there now, and nobody has noticed.
  y.node.reset();
  hosts.erase("y");
  Host& z = add("z", {at("192.0.2.2:4000")});
  ASSERT_TRUE(link(z, "a"));
  ASSERT_TRUE(z->send(now, PeerId("a"), "{}"));
  carry();
  EXPECT_EQ(a.all<Node::MessageReceived>().size(), 1u);
}

TEST_F(JoinedNodes, AStrangersDatagramReachesNoLink) {
  Host& a = add("a", {at("192.0.2.1:4000")});
  for (const char* name : {"x", "y", "z"}) {
    add(name, {at("192.0.2." + std::to_string(hosts.size() + 10) + ":4000")});
    cut = true;
    ASSERT_TRUE(a->connect(now, PeerId(name)));
  }
  carry();
  const Instant before = a->next_timeout();
  ASSERT_LT(before, now + 1s) << "checks are under way";
  const Endpoint stranger = at("203.0.113.66:6");
  const rtc::ice::Credentials anyone = {"any", "one"};
  for (const Buffer& bytes : {Buffer{0}, rtc::ice::encode_check_success({7}, stranger, anyone)}) {
    a->handle_datagram(now, {a.addresses[0], stranger, bytes});
    EXPECT_EQ(a->next_timeout(), before);  // nothing was touched
  }
  EXPECT_FALSE(a->poll_transmit());
}

TEST_F(JoinedNodes, ASecondMeshChannelDoesNotReplaceTheFirst) {
  using rtc::peer::PeerConnection;
  Host& a = add("a", {at("192.0.2.1:4000")});
  const Endpoint address = at("192.0.2.7:4000");
  PeerConnection foreign({.certificate = &certificate()}, random, now);
  foreign.add_local_candidate(now, {.type = rtc::ice::CandidateType::host,
                                    .foundation = "1",
                                    .priority = 1000,
                                    .address = address,
                                    .base = address});
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(foreign.open_channel(now, {.label = std::string(mesh_channel_label)}));
  protocol::signaling::Envelope offer;
  offer.type = "offer";
  offer.peer_id = "browser";
  offer.payload = protocol::signaling::Description{foreign.create_offer(now)}.encode();
  a->handle_signal(now, offer);

  std::vector<rtc::peer::ChannelId> channels;
  bool is_sent = false;
  for (int round = 0; round < 50; ++round, now += 10ms) {
    while (auto envelope = a->poll_signal())
      if (envelope->type == "answer") {
        ASSERT_TRUE(foreign.set_answer(
            now, protocol::signaling::Description::parse(envelope->payload)->sdp));
      }
    while (auto transmit = a->poll_transmit())
      foreign.handle_datagram(now, {address, transmit->local, transmit->bytes});
    while (auto transmit = foreign.poll_transmit())
      a->handle_datagram(now, {transmit->remote, address, transmit->bytes});
    while (auto event = foreign.poll_event())
      if (const auto* opened = std::get_if<PeerConnection::ChannelOpened>(&*event))
        channels.push_back(opened->channel);
    if (channels.size() == 2 && round > 40 && !std::exchange(is_sent, true)) {
      EXPECT_TRUE(foreign.send(now, channels[0], rtc::peer::MessageKind::text, as_bytes("{}")));
    }
    if (foreign.next_timeout() <= now) foreign.handle_timeout(now);
    if (a->next_timeout() <= now) a->handle_timeout(now);
  }
  carry();
  ASSERT_EQ(channels.size(), 2u);
  EXPECT_EQ(a.all<Node::MessageReceived>().size(), 1u);
}

TEST_F(JoinedNodes, NamesItsCandidatesAgainAfterTheRegistryWasAway) {
  Host& a = add("a", {at("192.0.2.1:4000")});
  ASSERT_TRUE(a->connect(now, PeerId("elsewhere")));
  carry();
  a->handle_signaling_closed(now);
  move(a, {at("192.0.2.1:4000"), at("198.51.100.1:4000")});
  a->handle_signaling_open(now);
  std::vector<std::string> candidates;
  while (auto envelope = a->poll_signal())
    if (envelope->type == "ice_candidate") candidates.push_back(envelope->payload);
  EXPECT_THAT(candidates, ::testing::Contains(HasSubstr("198.51.100.1")));
}

}  // namespace
}  // namespace chatixia::mesh
