#include "rtc/turn/client.hpp"

#include <memory>

#include <gmock/gmock.h>

#include "support/fake_turn_server.hpp"

namespace chatixia::rtc::turn {
namespace {

using namespace std::chrono_literals;
using stun::Method;
using testing::FakeTurnServer;
using ::testing::HasSubstr;

Endpoint at(std::string_view text) {
  return Endpoint::parse(text).value();
}

// A client joined to the fake server by hand, in fake time.
class TurnClient : public ::testing::Test {
 protected:
  void start(std::string password = "secret") {
    client = std::make_unique<Client>(
        Client::Options{local, server.address, "user", std::move(password)}, random, now);
    pump();
  }
  // Carries everything both ways until nobody has anything left to say.
  void pump() {
    while (auto transmit = client->poll_transmit()) {
      EXPECT_EQ(transmit->local, local);
      EXPECT_EQ(transmit->remote, server.address);
      ++sent;
      for (const Buffer& answer : server.handle(local, transmit->bytes))
        client->handle_datagram(now, {local, server.address, answer});
    }
    while (auto event = client->poll_event()) {
      if (auto* failed = std::get_if<Client::Failed>(&*event)) failure = failed->reason;
      if (auto* made = std::get_if<Client::Allocated>(&*event)) allocated = *made;
    }
  }
  void run_for(Duration duration) {
    const Instant end = now + duration;
    while (client->next_timeout() <= end) {
      now = std::max(now, client->next_timeout());
      client->handle_timeout(now);
      pump();
    }
    now = end;
  }
  void send(const Endpoint& to, std::string_view text) {
    client->send(now, to, as_bytes(text));
    pump();
  }
  std::optional<Datagram> receive(Bytes bytes) {
    const auto handled = client->handle_datagram(now, {local, server.address, bytes});
    if (const auto* datagram = std::get_if<Datagram>(&handled)) return *datagram;
    return std::nullopt;
  }

  const Endpoint local = at("192.0.2.1:4000");
  const Endpoint peer = at("198.51.100.7:777");
  Instant now{1h};
  SeededRandom random{1};
  FakeTurnServer server;
  std::unique_ptr<Client> client;
  std::optional<Client::Allocated> allocated;
  std::string failure;
  int sent = 0;
};

TEST_F(TurnClient, AllocatesAfterTheChallenge) {
  start();
  ASSERT_TRUE(allocated);
  EXPECT_EQ(allocated->relayed, server.relayed_address);
  EXPECT_EQ(allocated->mapped, local);
  EXPECT_EQ(client->relayed(), server.relayed_address);
  EXPECT_EQ(sent, 2);
}

TEST_F(TurnClient, SaysWhyTheServerRefusedIt) {
  start("wrong");
  EXPECT_THAT(failure, HasSubstr("credential"));
  EXPECT_EQ(client->next_timeout(), never);
  for (const auto& [code, words] : {std::pair<std::uint16_t, const char*>{437, "allocation"},
                                    {441, "other credentials"},
                                    {442, "UDP"},
                                    {403, "forbids"},
                                    {440, "address family"},
                                    {486, "quota"},
                                    {508, "capacity"},
                                    {500, "error 500"}}) {
    failure.clear();
    server.refusals = {{Method::allocate, code}};
    start();
    EXPECT_THAT(failure, HasSubstr(words));
    EXPECT_FALSE(client->relayed());
  }
}

TEST_F(TurnClient, GivesUpASilentServerAfterAboutEightSeconds) {
  server.is_silent = true;
  start();
  run_for(7400ms);
  EXPECT_EQ(failure, "");
  run_for(600ms);
  EXPECT_THAT(failure, HasSubstr("does not answer"));
  EXPECT_EQ(sent, 4);
}

TEST_F(TurnClient, TakesAFreshNonceWhenItsOwnIsStale) {
  start();
  server.nonce = "nonce-2";
  send(peer, "hello");
  ASSERT_EQ(server.relayed.size(), 1u);
  EXPECT_EQ(failure, "");
}

TEST_F(TurnClient, EndsWhenChallengesNeverEnd) {
  start();
  server.refusals = {{Method::refresh, 438}};
  run_for(10min);
  EXPECT_NE(failure, "");
  EXPECT_EQ(server.requests[Method::refresh], 4);
}

TEST_F(TurnClient, GivesBackWhatAnEarlierRunLeftBehind) {
  start();
  ASSERT_TRUE(allocated);
  allocated.reset();
  start();  // from the same port, without a release
  EXPECT_TRUE(allocated);
  EXPECT_EQ(failure, "");
  EXPECT_EQ(server.last_lifetime, 0u);
}

TEST_F(TurnClient, DiscardsWhatItDoesNotUnderstand) {
  start();
  send(peer, "x");
  ASSERT_EQ(server.relayed.size(), 1u);
  const auto data = [&](rtc::stun::AttributeType more) {
    return stun::Builder(stun::Class::indication, Method::data, {})
        .xor_address(stun::AttributeType::xor_peer_address, peer)
        .bytes(stun::AttributeType::data, as_bytes("from peer"))
        .flag(more)
        .take();
  };
  EXPECT_TRUE(receive(data(static_cast<stun::AttributeType>(0xfabc))));
  EXPECT_FALSE(receive(data(static_cast<stun::AttributeType>(0x7abc))));
}

TEST_F(TurnClient, EndsWhenAChallengeIsLargerThanRfc8489Allows) {
  server.nonce = std::string(763, 'n');
  start();
  EXPECT_TRUE(allocated);

  allocated.reset();
  server.nonce = std::string(65'000, 'n');
  start();
  EXPECT_FALSE(allocated);
  EXPECT_THAT(failure, HasSubstr("challenge"));
  EXPECT_EQ(client->next_timeout(), never);
}

TEST_F(TurnClient, RefreshesAMinuteBeforeTheLifetimeEnds) {
  start();
  run_for(539s);
  EXPECT_EQ(server.requests[Method::refresh], 0);
  run_for(2s);
  EXPECT_EQ(server.requests[Method::refresh], 1);
  EXPECT_EQ(server.last_lifetime, 600u);
  run_for(1h);
  EXPECT_EQ(server.requests[Method::refresh], 7);
}

TEST_F(TurnClient, FailsWhenTheServerForgetsTheAllocation) {
  start();
  server.refusals = {{Method::refresh, 437}};
  run_for(10min);
  EXPECT_THAT(failure, HasSubstr("allocation"));
  EXPECT_EQ(client->relayed(), std::nullopt);
  send(peer, "dropped");
  EXPECT_TRUE(server.relayed.empty());
}

TEST_F(TurnClient, FailsWhenTheServerDiesLater) {
  start();
  server.is_silent = true;
  run_for(10min);
  EXPECT_THAT(failure, HasSubstr("does not answer"));
}

TEST_F(TurnClient, HoldsDatagramsUntilThePermissionIsGranted) {
  start();
  for (int i = 0; i < 20; ++i) client->send(now, peer, as_bytes("held"));
  EXPECT_TRUE(server.relayed.empty());
  pump();
  EXPECT_EQ(server.relayed.size(), pending_datagrams_max);
  EXPECT_EQ(server.requests[Method::create_permission], 1);
  EXPECT_EQ(server.relayed[0].peer, peer);
  EXPECT_EQ(as_text(server.relayed[0].bytes), "held");
}

TEST_F(TurnClient, OnePermissionServesAllPortsOfAPeer) {
  start();
  send(peer, "a");
  send(at("198.51.100.7:778"), "b");
  EXPECT_EQ(server.requests[Method::create_permission], 1);
  EXPECT_EQ(server.relayed.size(), 2u);
}

TEST_F(TurnClient, ARefusedPeerIsTriedAgainLater) {
  start();
  server.refusals = {{Method::create_permission, 403}};
  send(peer, "a");
  send(peer, "b");
  EXPECT_EQ(server.requests[Method::create_permission], 1);
  server.refusals.clear();
  run_for(31s);
  send(peer, "c");
  ASSERT_EQ(server.relayed.size(), 1u);
  EXPECT_EQ(as_text(server.relayed[0].bytes), "c");
  EXPECT_EQ(failure, "");
}

TEST_F(TurnClient, RefreshesPermissionsThatAreUsedAndForgetsOthers) {
  start();
  send(peer, "a");
  for (int minute = 0; minute < 20; ++minute) {
    run_for(1min);
    send(peer, "a");
  }
  const int while_used = server.requests[Method::create_permission];
  EXPECT_GE(while_used, 5);
  EXPECT_LE(while_used, 6);
  run_for(1h);
  EXPECT_LE(server.requests[Method::create_permission], while_used + 2);
}

TEST_F(TurnClient, BindsAChannelForSteadyTrafficAndRefreshesIt) {
  start();
  for (int i = 0; i < 20; ++i) send(peer, "x");
  EXPECT_EQ(server.requests[Method::channel_bind], 1);
  EXPECT_FALSE(server.relayed.front().by_channel);
  EXPECT_TRUE(server.relayed.back().by_channel);
  for (int minute = 0; minute < 20; ++minute) {
    run_for(1min);
    send(peer, "x");
  }
  EXPECT_EQ(server.requests[Method::channel_bind], 3);
  EXPECT_GE(server.requests[Method::create_permission], 5);
  EXPECT_EQ(server.relayed.size(), 40u);
}

TEST_F(TurnClient, KeepsToIndicationsWhenAChannelIsRefused) {
  start();
  server.refusals = {{Method::channel_bind, 400}};
  for (int i = 0; i < 40; ++i) send(peer, "x");
  EXPECT_EQ(server.relayed.size(), 40u);
  EXPECT_EQ(server.requests[Method::channel_bind], 1);
}

TEST_F(TurnClient, UnwrapsIndicationsAndChannels) {
  start();
  send(peer, "x");
  const Buffer indication = server.wrap(peer, as_bytes("from peer"));
  auto datagram = receive(indication);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->local, server.relayed_address);
  EXPECT_EQ(datagram->remote, peer);
  EXPECT_EQ(as_text(datagram->bytes), "from peer");

  for (int i = 0; i < 20; ++i) send(peer, "x");
  const Buffer channel = server.wrap(peer, as_bytes("by channel"));
  EXPECT_LT(channel.size(), 20u);
  datagram = receive(channel);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->remote, peer);
  EXPECT_EQ(as_text(datagram->bytes), "by channel");
}

TEST_F(TurnClient, DropsDataOfPeersItNeverSpokeTo) {
  start();
  EXPECT_FALSE(receive(server.wrap(peer, as_bytes("unasked"))));
  EXPECT_FALSE(receive(encode_channel_data(0x4001, as_bytes("unbound"))));
}

TEST_F(TurnClient, LeavesForeignDatagramsAlone) {
  start();
  const Buffer bytes = server.wrap(peer, as_bytes("x"));
  const auto elsewhere = client->handle_datagram(now, {local, at("203.0.113.5:9"), bytes});
  EXPECT_TRUE(std::holds_alternative<Client::NotMine>(elsewhere));
  const auto dtls = client->handle_datagram(now, {local, server.address, Buffer(30, 22)});
  EXPECT_TRUE(std::holds_alternative<Client::NotMine>(dtls));
  const Buffer stray = stun::Builder(stun::Class::success, Method::binding, {}).take();
  const auto other = client->handle_datagram(now, {local, server.address, stray});
  EXPECT_TRUE(std::holds_alternative<Client::NotMine>(other));
}

TEST_F(TurnClient, BelievesNoSuccessWithoutTheKey) {
  client = std::make_unique<Client>(Client::Options{local, server.address, "user", "secret"},
                                    random, now);
  const auto first = client->poll_transmit();
  for (const Buffer& challenge : server.handle(local, first->bytes))
    client->handle_datagram(now, {local, server.address, challenge});
  const auto second = client->poll_transmit();
  const auto request = stun::Message::parse(second->bytes);
  const Buffer forged =
      stun::Builder(stun::Class::success, Method::allocate, request->transaction_id())
          .xor_address(stun::AttributeType::xor_relayed_address, at("6.6.6.6:6"))
          .integrity(as_bytes("guess"))
          .take();
  client->handle_datagram(now, {local, server.address, forged});
  EXPECT_FALSE(client->relayed());
  for (const Buffer& answer : server.handle(local, second->bytes))
    client->handle_datagram(now, {local, server.address, answer});
  EXPECT_EQ(client->relayed(), server.relayed_address);
}

TEST_F(TurnClient, ReleasesTheAllocation) {
  start();
  ASSERT_TRUE(server.is_allocated);
  client->release(now);
  pump();
  EXPECT_FALSE(server.is_allocated);
  EXPECT_EQ(server.last_lifetime, 0u);
  EXPECT_EQ(client->next_timeout(), never);
}

TEST_F(TurnClient, KeepsNoMorePermissionsThanTheLimit) {
  start();
  for (std::uint32_t i = 0; i < permissions_max + 10; ++i) {
    client->send(now, {IpAddress::v4(0x0a000000 + i), 5}, as_bytes("x"));
    pump();
    now += 1ms;
  }
  EXPECT_EQ(server.relayed.size(), permissions_max + 10);
  // The first peer was forgotten and needs a new permission; the last one does not.
  const int before = server.requests[Method::create_permission];
  send({IpAddress::v4(0x0a000000 + permissions_max + 9), 5}, "x");
  EXPECT_EQ(server.requests[Method::create_permission], before);
  send({IpAddress::v4(0x0a000000), 5}, "x");
  EXPECT_EQ(server.requests[Method::create_permission], before + 1);
}

TEST(ChannelDataTest, ReadsWhatItWrites) {
  const Buffer bytes = encode_channel_data(0x4abc, as_bytes("payload"));
  const auto data = ChannelData::parse(bytes);
  ASSERT_TRUE(data);
  EXPECT_EQ(data->channel, 0x4abc);
  EXPECT_EQ(as_text(data->bytes), "payload");
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(ChannelData::parse(Bytes(bytes).first(size)));
  EXPECT_FALSE(ChannelData::parse(encode_channel_data(0x3fff, {})));
  EXPECT_FALSE(ChannelData::parse(encode_channel_data(0x5000, {})));
}

TEST(ChannelTableTest, GivesEachPeerItsOwnNumber) {
  ChannelTable table;
  const Endpoint a = at("192.0.2.1:1");
  const Endpoint b = at("192.0.2.1:2");
  table.assign_number(a, *table.find_or_add(a));
  table.assign_number(b, *table.find_or_add(b));
  const std::uint16_t first = table.number_of(a);
  EXPECT_NE(first, table.number_of(b));
  EXPECT_EQ(*table.find_peer(first), a);
  table.remove(a);
  EXPECT_EQ(table.find_peer(first), nullptr);
  EXPECT_EQ(table.number_of(a), 0);
  // The number rests: the peer gets another one when it comes back.
  table.assign_number(a, *table.find_or_add(a));
  EXPECT_NE(table.number_of(a), first);
}

TEST(ChannelTableTest, IsBounded) {
  ChannelTable table;
  for (std::uint16_t port = 1; port <= ChannelTable::capacity; ++port)
    EXPECT_NE(table.find_or_add({IpAddress::v4(1), port}), nullptr);
  EXPECT_EQ(table.find_or_add({IpAddress::v4(2), 1}), nullptr);
}

}  // namespace
}  // namespace chatixia::rtc::turn
