#include "rtc/ice/gatherer.hpp"

#include <map>

#include <gmock/gmock.h>

#include "support/fake_turn_server.hpp"

namespace chatixia::rtc::ice {
namespace {

using namespace std::chrono_literals;
using testing::FakeTurnServer;
using ::testing::HasSubstr;

Endpoint at(std::string_view text) {
  return Endpoint::parse(text).value();
}

// A gatherer whose servers answer at once, as seen through a NAT.
class GathererTest : public ::testing::Test {
 protected:
  void pump() {
    while (auto transmit = gatherer.poll_transmit()) {
      ++sent[transmit->remote];
      if (transmit->remote == turn.address) {
        for (const Buffer& answer : turn.handle(nat.at(transmit->local), transmit->bytes))
          gatherer.handle_datagram(now, {transmit->local, turn.address, answer});
      } else if (stun_answers && transmit->remote == stun_server) {
        const auto request = stun::Message::parse(transmit->bytes);
        const Buffer answer =
            stun::Builder(stun::Class::success, stun::Method::binding, request->transaction_id())
                .xor_address(stun::AttributeType::xor_mapped_address, nat.at(transmit->local))
                .take();
        gatherer.handle_datagram(now, {transmit->local, stun_server, answer});
      }
    }
    while (auto event = gatherer.poll_event()) events.push_back(std::move(*event));
  }
  void run_for(Duration duration) {
    const Instant end = now + duration;
    while (gatherer.next_timeout() <= end) {
      now = std::max(now, gatherer.next_timeout());
      gatherer.handle_timeout(now);
      pump();
    }
    now = end;
  }
  template <class Event>
  std::vector<Event> taken() const {
    std::vector<Event> out;
    for (const auto& event : events)
      if (const auto* wanted = std::get_if<Event>(&event)) out.push_back(*wanted);
    return out;
  }
  std::vector<std::string> candidates() const {
    std::vector<std::string> out;
    for (const Candidate& candidate : gatherer.candidates())
      out.push_back(std::string(to_string(candidate.type)) + " " + candidate.address.to_string());
    return out;
  }

  const Endpoint host = at("192.168.1.2:4000");
  const Endpoint outside = at("198.51.100.1:61000");
  const Endpoint stun_server = at("203.0.113.3:3478");
  std::map<Endpoint, Endpoint> nat = {{host, outside}};
  Instant now{1h};
  SeededRandom random{1};
  FakeTurnServer turn;
  bool stun_answers = true;
  Gatherer gatherer{random, now};
  std::vector<Gatherer::Event> events;
  std::map<Endpoint, int> sent;

  const Server stun{Server::Kind::stun, stun_server, "", ""};
  const Server relay{Server::Kind::turn, turn.address, "user", "secret"};
};

TEST_F(GathererTest, HostAddressesAreCandidatesAtOnce) {
  gatherer.set_host_addresses(
      now, {host, at("[2001:db8::1]:4000"), at("[fe80::1]:4000"), at("0.0.0.0:4000"), host});
  pump();
  EXPECT_THAT(candidates(),
              ::testing::ElementsAre("host 192.168.1.2:4000", "host [2001:db8::1]:4000"));
  EXPECT_NE(gatherer.candidates()[0].priority, gatherer.candidates()[1].priority);
  EXPECT_TRUE(gatherer.completed());
  EXPECT_EQ(taken<Gatherer::Completed>().size(), 1u);
  EXPECT_EQ(gatherer.next_timeout(), never);
}

TEST_F(GathererTest, FindsServerReflexiveAndRelayedCandidates) {
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {stun, relay});
  EXPECT_FALSE(gatherer.completed());
  pump();
  EXPECT_THAT(candidates(),
              ::testing::ElementsAre("host 192.168.1.2:4000", "srflx 198.51.100.1:61000",
                                     "relay 203.0.113.5:50001"));
  EXPECT_TRUE(gatherer.completed());
  const Candidate& reflexive = gatherer.candidates()[1];
  EXPECT_EQ(reflexive.base, host);
  EXPECT_EQ(reflexive.related, host);
  const Candidate& relayed = gatherer.candidates()[2];
  EXPECT_EQ(relayed.base, relayed.address);
  EXPECT_EQ(relayed.related, outside);
  EXPECT_TRUE(gatherer.is_relayed(relayed.address));
  EXPECT_FALSE(gatherer.is_relayed(host));
  EXPECT_TRUE(gatherer.is_host(host));
  EXPECT_FALSE(gatherer.is_host(relayed.address));
  EXPECT_EQ(taken<Gatherer::CandidateFound>().size(), 3u);
}

TEST_F(GathererTest, AHostWithoutNatHasNoReflexiveCandidate) {
  nat[host] = host;
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {stun});
  pump();
  EXPECT_THAT(candidates(), ::testing::ElementsAre("host 192.168.1.2:4000"));
  EXPECT_TRUE(gatherer.completed());
  EXPECT_TRUE(taken<Gatherer::ServerFailed>().empty());
}

TEST_F(GathererTest, KeepsTheNatBindingOpen) {
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {stun});
  pump();
  run_for(10min);
  EXPECT_GE(sent[stun_server], 600 / 25);
  EXPECT_LE(sent[stun_server], 600 / 15 + 1);
  EXPECT_EQ(taken<Gatherer::CandidateFound>().size(), 2u);
}

TEST_F(GathererTest, TellsWhenTheNatGivesAnotherAddress) {
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {stun});
  pump();
  nat[host] = at("198.51.100.1:61111");
  run_for(30s);
  ASSERT_EQ(taken<Gatherer::CandidateLost>().size(), 1u);
  EXPECT_EQ(taken<Gatherer::CandidateLost>()[0].candidate.address, outside);
  EXPECT_THAT(candidates(), ::testing::Contains("srflx 198.51.100.1:61111"));
}

TEST_F(GathererTest, GivesUpSilentServersAndFindsThemWhenTheyComeBack) {
  stun_answers = false;
  turn.is_silent = true;
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {stun, relay});
  pump();
  run_for(8s);
  EXPECT_TRUE(gatherer.completed());
  const auto failures = taken<Gatherer::ServerFailed>();
  ASSERT_EQ(failures.size(), 2u);
  EXPECT_EQ(failures[0].server, stun);
  EXPECT_THAT(failures[1].reason, HasSubstr("does not answer"));

  stun_answers = true;
  turn.is_silent = false;
  run_for(35s);
  EXPECT_EQ(gatherer.candidates().size(), 3u);
  EXPECT_EQ(taken<Gatherer::ServerFailed>().size(), 2u);
}

TEST_F(GathererTest, RetriesLessAndLessOften) {
  stun_answers = false;
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {stun});
  pump();
  run_for(1h);
  EXPECT_LE(sent[stun_server], 4 * 17);
  EXPECT_GE(sent[stun_server], 4 * 10);
  EXPECT_EQ(taken<Gatherer::ServerFailed>().size(), 1u);
}

TEST_F(GathererTest, ReplacesALostAllocation) {
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {relay});
  pump();
  turn.refusals = {{stun::Method::refresh, 437}};
  run_for(10min);
  ASSERT_GE(taken<Gatherer::CandidateLost>().size(), 1u);
  turn.refusals.clear();
  run_for(1min);
  EXPECT_THAT(candidates(), ::testing::Contains("relay 203.0.113.5:50001"));
}

TEST_F(GathererTest, RelaysBothWays) {
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {relay});
  pump();
  const Endpoint peer = at("198.51.100.9:9");
  gatherer.send_relayed(now, {turn.relayed_address, peer, Buffer{1, 2, 3}});
  pump();
  ASSERT_EQ(turn.relayed.size(), 1u);
  EXPECT_EQ(turn.relayed[0].peer, peer);

  const Buffer wrapped = turn.wrap(peer, Buffer{4, 5});
  const auto handled = gatherer.handle_datagram(now, {host, turn.address, wrapped});
  const auto* inner = std::get_if<Datagram>(&handled);
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->local, turn.relayed_address);
  EXPECT_EQ(inner->remote, peer);
  EXPECT_EQ(Buffer(inner->bytes.begin(), inner->bytes.end()), (Buffer{4, 5}));

  // From an address that is no relay of ours, nothing goes.
  gatherer.send_relayed(now, {host, peer, Buffer{1}});
  EXPECT_FALSE(gatherer.poll_transmit());
}

TEST_F(GathererTest, LeavesDatagramsOfOthersAlone) {
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {stun, relay});
  pump();
  const Buffer request = stun::Builder(stun::Class::request, stun::Method::binding, {}).take();
  for (const Endpoint& from : {stun_server, turn.address, at("198.51.100.9:9")}) {
    const auto handled = gatherer.handle_datagram(now, {host, from, request});
    EXPECT_TRUE(std::holds_alternative<Gatherer::NotMine>(handled));
  }
}

TEST_F(GathererTest, KeepsAllocationsOnServersThatStay) {
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {relay});
  pump();
  gatherer.set_servers(now, {stun, relay});
  pump();
  EXPECT_EQ(turn.requests[stun::Method::allocate], 1);
  EXPECT_TRUE(taken<Gatherer::CandidateLost>().empty());
  gatherer.set_servers(now, {});
  pump();
  EXPECT_FALSE(turn.is_allocated);
  EXPECT_THAT(candidates(), ::testing::ElementsAre("host 192.168.1.2:4000"));
}

TEST_F(GathererTest, NewCredentialsServeTheNextAllocation) {
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {relay});
  pump();
  gatherer.set_servers(now, {{Server::Kind::turn, turn.address, "user2", "secret2"}});
  pump();
  EXPECT_TRUE(turn.is_allocated);
  EXPECT_EQ(turn.requests[stun::Method::allocate], 1);
  EXPECT_TRUE(taken<Gatherer::CandidateLost>().empty());
  EXPECT_TRUE(gatherer.completed());

  // The old ones have run out: the server refuses the refresh.
  turn.username = "user2";
  turn.password = "secret2";
  run_for(10min);
  EXPECT_EQ(taken<Gatherer::CandidateLost>().size(), 2u);  // and where it had seen us
  EXPECT_GE(turn.requests[stun::Method::allocate], 2);
  EXPECT_THAT(candidates(), ::testing::Contains("relay 203.0.113.5:50001"));
}

TEST_F(GathererTest, NewCredentialsAreTriedAtOnceWhereTheOldOnesFailed) {
  turn.password = "secret2";
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {relay});
  pump();
  EXPECT_EQ(taken<Gatherer::ServerFailed>().size(), 1u);
  gatherer.set_servers(now, {{Server::Kind::turn, turn.address, "user", "secret2"}});
  run_for(1ms);
  EXPECT_TRUE(turn.is_allocated);
  EXPECT_EQ(taken<Gatherer::ServerFailed>().size(), 1u);
}

TEST_F(GathererTest, HostsThatStayKeepTheirCandidates) {
  const Endpoint second = at("192.168.7.2:4000");
  nat[second] = at("198.51.100.2:1");
  gatherer.set_host_addresses(now, {host, second});
  pump();
  const Candidate before = gatherer.candidates()[1];
  events.clear();
  gatherer.set_host_addresses(now, {second});
  pump();
  EXPECT_THAT(gatherer.candidates(), ::testing::ElementsAre(before));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(taken<Gatherer::CandidateLost>()[0].candidate.address, host);
}

TEST_F(GathererTest, SaysWhenNoAddressCanReachAServer) {
  gatherer.set_host_addresses(now, {at("[2001:db8::1]:4000")});
  gatherer.set_servers(now, {stun});
  pump();
  ASSERT_EQ(taken<Gatherer::ServerFailed>().size(), 1u);
  EXPECT_THAT(taken<Gatherer::ServerFailed>()[0].reason, HasSubstr("no local address"));
  EXPECT_TRUE(gatherer.completed());
}

TEST_F(GathererTest, CloseReleasesAllocations) {
  gatherer.set_host_addresses(now, {host});
  gatherer.set_servers(now, {relay});
  pump();
  events.clear();
  gatherer.close(now);
  pump();
  EXPECT_FALSE(turn.is_allocated);
  EXPECT_TRUE(gatherer.candidates().empty());
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(gatherer.next_timeout(), never);
}

}  // namespace
}  // namespace chatixia::rtc::ice
