#include <fmt/format.h>
#include <gmock/gmock.h>

#include "rtc/ice/agent.hpp"
#include "support/ice_pair.hpp"

// Two agents on one network in virtual time.
namespace chatixia::rtc::ice {
namespace {

using namespace std::chrono_literals;
using testing::at;
using testing::FakeNetwork;
using testing::host_candidate;
using testing::IcePair;
using testing::start;

Candidate reflexive_candidate(const Endpoint& mapped, const Endpoint& base) {
  Candidate candidate = host_candidate(mapped);
  candidate.type = CandidateType::server_reflexive;
  candidate.priority = candidate_priority(candidate.type, 65535);
  candidate.base = base;
  candidate.related = base;
  return candidate;
}

Candidate relayed_candidate(const Endpoint& relayed) {
  Candidate candidate = host_candidate(relayed);
  candidate.type = CandidateType::relayed;
  candidate.priority = candidate_priority(candidate.type, 65535);
  return candidate;
}

// Path of one side equals the path of the other, seen from there.
bool has_same_pair(const IcePair& pair) {
  const auto a = pair.a.agent.route();
  const auto b = pair.b.agent.route();
  return a && b && a->local == b->remote && a->remote == b->local;
}

TEST(AgentPair, ConnectsOverTheOnlyPairInTwoRoundTrips) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  EXPECT_LE(pair.now - start, 4ms);
  EXPECT_EQ(pair.a.agent.route(), (Path{at("192.0.2.1:1000"), at("192.0.2.2:2000")}));
  EXPECT_EQ(pair.b.agent.route(), (Path{at("192.0.2.2:2000"), at("192.0.2.1:1000")}));
  EXPECT_EQ(pair.a.agent.rtt(), 2ms);
}

TEST(AgentPair, AnswersChecksThatComeBeforeTheAnswer) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  IcePair::describe(pair.now, pair.a, pair.b);  // the offer
  pair.run_for(50ms);
  // The offerer can already send DTLS back, and the answerer has a valid pair.
  ASSERT_TRUE(pair.a.agent.route());
  EXPECT_EQ(pair.a.agent.route()->remote, at("192.0.2.2:2000"));
  EXPECT_TRUE(pair.a.agent.is_authenticated(at("192.0.2.1:1000"), at("192.0.2.2:2000")));
  EXPECT_TRUE(pair.b.agent.route());
  EXPECT_FALSE(pair.a.agent.is_selected());

  const Instant answered = pair.now;
  IcePair::describe(pair.now, pair.b, pair.a);
  ASSERT_TRUE(pair.run_until_selected());
  EXPECT_LE(pair.now - answered, 4ms);
  EXPECT_EQ(pair.a.agent.route()->remote_type, CandidateType::host);
}

TEST(AgentPair, ConnectsWhenCandidatesTrickleInAfterTheDescriptions) {
  IcePair pair;
  pair.exchange();
  pair.run_for(1s);
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.run_for(20ms);
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  // Only one side learns of the other: the other side meets a peer-reflexive candidate.
  pair.a.agent.add_remote_candidate(pair.now, host_candidate(at("192.0.2.2:2000")));
  pair.a.drain(pair.now);
  ASSERT_TRUE(pair.run_until_selected());
  EXPECT_EQ(pair.b.agent.route()->remote_type, CandidateType::peer_reflexive);
  pair.b.agent.add_remote_candidate(pair.now, host_candidate(at("192.0.2.1:1000")));
  EXPECT_EQ(pair.b.agent.route()->remote_type, CandidateType::host);
}

TEST(AgentPair, ConnectsOverIpv6AndNeverMixesFamilies) {
  IcePair pair;
  pair.a.add_host(pair.now, at("[2001:db8::1]:1000"));
  pair.a.add_host(pair.now, at("192.0.2.1:1000"), 60000);
  pair.b.add_host(pair.now, at("[2001:db8::2]:2000"));
  pair.b.add_host(pair.now, at("[fe80::2]:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  EXPECT_EQ(pair.a.agent.route()->remote, at("[2001:db8::2]:2000"));
  for (const CheckRecord& check : pair.a.agent.log())
    EXPECT_EQ(check.local.base.ip.is_v4(), check.remote.address.ip.is_v4());
  EXPECT_EQ(pair.a.agent.log().size(), 2u);  // a check and the nomination
}

TEST(AgentPair, SettlesWhoControlsWhenBothClaimTo) {
  for (const Role role : {Role::controlling, Role::controlled}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      IcePair pair(seed, {.role = role}, {.role = role});
      pair.a.add_host(pair.now, at("192.0.2.1:1000"));
      pair.b.add_host(pair.now, at("192.0.2.2:2000"));
      pair.exchange();
      ASSERT_TRUE(pair.run_until_selected()) << seed;
      EXPECT_NE(pair.a.agent.role(), pair.b.agent.role());
      EXPECT_LT(pair.now - start, 50ms);
      EXPECT_TRUE(has_same_pair(pair));
    }
  }
}

TEST(AgentPair, RecordsRoleConflictsInTheLog) {
  IcePair pair(3, {.role = Role::controlling}, {.role = Role::controlling});
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  int conflicts = 0;
  for (const auto* agent : {&pair.a.agent, &pair.b.agent})
    for (const CheckRecord& check : agent->log())
      if (check.outcome == CheckOutcome::role_conflict) {
        EXPECT_EQ(check.error_code, 487);
        ++conflicts;
      }
  EXPECT_EQ(conflicts, 1);
}

// The address a NAT gives a host, as a STUN server would tell it.
Endpoint learn_mapping(IcePair& pair, const Endpoint& inside) {
  const Endpoint server = at("203.0.113.3:3478");
  Endpoint mapped;
  pair.network.attach(server, [&](Instant, const Datagram& d) { mapped = d.remote; });
  pair.network.send(pair.now, {inside, server, Buffer{1}});
  pair.run_for(1s);
  return mapped;
}

TEST(AgentPair, PunchesThroughTwoPortRestrictedNats) {
  IcePair pair;
  pair.network.delay = 20ms;
  int host = 0;
  for (auto* peer : {&pair.a, &pair.b}) {
    ++host;
    const IpAddress nat = *IpAddress::parse(fmt::format("198.51.100.{}", host));
    const Endpoint inside = at(fmt::format("192.168.{}.2:1000", host));
    pair.network.add_nat(nat, FakeNetwork::NatKind::port_restricted);
    peer->plug(inside, nat);
    const Endpoint mapped = learn_mapping(pair, inside);
    ASSERT_EQ(mapped.ip, nat);
    peer->add_local(pair.now, host_candidate(inside));
    peer->add_local(pair.now, reflexive_candidate(mapped, inside));
  }
  const Instant described = pair.now;
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  EXPECT_LT(pair.now - described, 600ms);
  EXPECT_EQ(pair.a.agent.route()->local_type, CandidateType::server_reflexive);
  EXPECT_EQ(pair.a.agent.route()->remote_type, CandidateType::server_reflexive);
}

TEST(AgentPair, MeetsASymmetricNatAsAPeerReflexiveCandidate) {
  IcePair pair;
  const IpAddress nat = *IpAddress::parse("198.51.100.1");
  pair.network.add_nat(nat, FakeNetwork::NatKind::symmetric);
  pair.a.plug(at("192.168.1.2:1000"), nat);
  pair.a.add_local(pair.now, host_candidate(at("192.168.1.2:1000")));
  pair.b.add_host(pair.now, at("203.0.113.9:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  EXPECT_EQ(pair.b.agent.route()->remote.ip, nat);
  EXPECT_EQ(pair.b.agent.route()->remote_type, CandidateType::peer_reflexive);
  EXPECT_EQ(pair.a.agent.route()->local_type, CandidateType::peer_reflexive);
}

TEST(AgentPair, MovesFromARelayToADirectPathThatTakesLonger) {
  IcePair pair;
  const Endpoint relayed = at("203.0.113.5:5000");
  pair.a.plug(at("192.0.2.1:1000"));
  pair.a.plug(relayed);  // stands for the relay and the wrapping around it
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.a.add_local(pair.now, relayed_candidate(relayed));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  EXPECT_EQ(pair.a.agent.route()->local_type, CandidateType::relayed);
  EXPECT_EQ(pair.b.agent.route()->remote_type, CandidateType::relayed);

  pair.run_for(2s);
  pair.a.add_local(pair.now, host_candidate(at("192.0.2.1:1000")));
  pair.run_for(1s);
  EXPECT_EQ(pair.a.agent.route()->local, at("192.0.2.1:1000"));
  EXPECT_TRUE(has_same_pair(pair));
}

TEST(AgentPair, WaitsALittleForABetterPairBeforeItTakesARelay) {
  IcePair pair;
  pair.network.delay = 20ms;
  pair.a.plug(at("203.0.113.5:5000"));
  pair.a.add_local(pair.now, relayed_candidate(at("203.0.113.5:5000")));
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  EXPECT_EQ(pair.a.selections, 1);
  EXPECT_EQ(pair.a.agent.route()->local_type, CandidateType::host);
}

TEST(AgentPair, ConsentKeepsAQuietPathAliveAndItsLossEndsIt) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  const std::size_t sent = pair.network.sent();
  pair.run_for(1h);
  EXPECT_TRUE(pair.a.agent.is_selected());
  // A request and an answer about every five seconds for each side.
  const double per_side = static_cast<double>(pair.network.sent() - sent) / 4;
  EXPECT_GT(per_side, 3600 / 6.1);
  EXPECT_LT(per_side, 3600 / 3.9);

  const Instant cut = pair.now;
  pair.network.cut(at("192.0.2.1:1000"), at("192.0.2.2:2000"));
  pair.run_for(40s);
  for (auto* peer : {&pair.a, &pair.b}) {
    ASSERT_TRUE(peer->disconnected_at);
    EXPECT_LE(*peer->disconnected_at - cut, 30s);
    EXPECT_GE(*peer->disconnected_at - cut, 20s);
    EXPECT_FALSE(peer->agent.is_selected());
    EXPECT_EQ(peer->agent.route(), std::nullopt);
    EXPECT_EQ(peer->agent.next_timeout(), never);
  }
}

TEST(AgentPair, FallsBackToAnotherPairWhenTheSelectedOneDies) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.a.add_host(pair.now, at("198.51.100.1:1000"), 60000);
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  ASSERT_EQ(pair.a.agent.route()->local, at("192.0.2.1:1000"));
  pair.run_for(10s);
  pair.network.unplug(at("192.0.2.1:1000"));
  pair.run_for(10s);
  EXPECT_EQ(pair.a.agent.route()->local, at("198.51.100.1:1000"));
  EXPECT_TRUE(has_same_pair(pair));
  EXPECT_FALSE(pair.a.disconnected_at || pair.b.disconnected_at);
}

TEST(AgentPair, OneLostConsentCheckCostsFewPackets) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  for (int i = 1; i <= 4; ++i) {  // addresses that nobody can reach
    const auto preference = static_cast<std::uint16_t>(60000 - i);
    pair.a.add_local(pair.now, host_candidate(at(fmt::format("10.1.0.{}:1", i)), preference));
    pair.b.add_local(pair.now, host_candidate(at(fmt::format("10.2.0.{}:1", i)), preference));
  }
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  pair.run_for(30s);
  const std::size_t quiet = pair.network.sent();
  pair.network.loss = 1;
  pair.run_while([&] { return pair.network.sent() == quiet; }, pair.now + 10s);
  pair.network.loss = 0;
  pair.run_for(10s);
  EXPECT_TRUE(has_same_pair(pair));
  EXPECT_LT(pair.network.sent() - quiet, 30u);
}

TEST(AgentPair, LeavesAPathWhoseLocalAddressIsGone) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.a.add_host(pair.now, at("198.51.100.1:1000"), 60000);
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  pair.network.unplug(at("192.0.2.1:1000"));
  pair.a.agent.remove_local_candidate(pair.now, at("192.0.2.1:1000"));
  pair.a.drain(pair.now);
  pair.run_for(100ms);
  EXPECT_EQ(pair.a.agent.route()->local, at("198.51.100.1:1000"));
  EXPECT_TRUE(has_same_pair(pair));
}

TEST(AgentPair, ChecksNothingFromAnAddressThatIsGone) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.plug(at("192.0.2.2:2000"));
  pair.b.add_local(pair.now, host_candidate(at("192.0.2.2:2000")));
  pair.network.cut(at("192.0.2.1:1000"), at("192.0.2.2:2000"));
  pair.exchange();
  pair.run_for(50ms);  // a check is under way
  pair.a.agent.remove_local_candidate(pair.now, at("192.0.2.1:1000"));
  const Instant removed = pair.now;
  pair.a.network.heal();
  for (Instant now = removed; now < removed + 5s; now += 20ms) {
    if (pair.a.agent.next_timeout() <= now) pair.a.agent.handle_timeout(now);
    EXPECT_FALSE(pair.a.agent.poll_transmit());
  }
}

TEST(AgentPair, StaysOnTheOnlyPathWhenItsAddressComesBack) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  pair.network.unplug(at("192.0.2.1:1000"));
  pair.a.agent.remove_local_candidate(pair.now, at("192.0.2.1:1000"));
  pair.a.drain(pair.now);
  pair.run_for(10s);
  pair.network.heal();
  pair.a.agent.add_local_candidate(pair.now, host_candidate(at("192.0.2.1:1000")));
  pair.a.drain(pair.now);
  pair.run_for(60s);
  EXPECT_TRUE(pair.a.agent.is_selected() && pair.b.agent.is_selected());
  EXPECT_TRUE(has_same_pair(pair));
}

TEST(AgentPair, FollowsAPeerWhoseNatGaveItANewAddress) {
  for (const bool controlling_moves : {true, false}) {
    IcePair pair;
    const IpAddress nat = *IpAddress::parse("198.51.100.1");
    pair.network.add_nat(nat, FakeNetwork::NatKind::port_restricted);
    auto& mover = controlling_moves ? pair.a : pair.b;
    auto& stayer = controlling_moves ? pair.b : pair.a;
    mover.plug(at("192.168.1.2:1000"), nat);
    mover.add_local(pair.now, host_candidate(at("192.168.1.2:1000")));
    stayer.add_host(pair.now, at("203.0.113.9:2000"));
    pair.exchange();
    ASSERT_TRUE(pair.run_until_selected());
    const Endpoint before = stayer.agent.route()->remote;
    pair.run_for(10s);
    pair.network.rebind(nat);
    pair.run_for(8s);
    ASSERT_TRUE(stayer.agent.route());
    EXPECT_NE(stayer.agent.route()->remote, before) << controlling_moves;
    EXPECT_FALSE(mover.disconnected_at || stayer.disconnected_at);
    pair.run_for(60s);
    EXPECT_TRUE(mover.agent.is_selected() && stayer.agent.is_selected());
  }
}

TEST(AgentPair, RestartKeepsTheOldPathUntilANewOneIsSelected) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  pair.run_for(1s);

  pair.a.agent.restart(pair.now, Credentials::make(pair.random), Role::controlling);
  EXPECT_TRUE(pair.a.agent.route());
  // The answer takes its time; the old session's consent goes on meanwhile.
  pair.run_for(60s);
  EXPECT_TRUE(pair.a.agent.route() && pair.b.agent.route());
  EXPECT_FALSE(pair.a.disconnected_at || pair.b.disconnected_at);

  pair.b.agent.restart(pair.now, Credentials::make(pair.random), Role::controlled);
  const int before = pair.a.selections;
  pair.exchange();
  pair.run_for(1s);
  EXPECT_EQ(pair.a.selections, before + 1);
  EXPECT_EQ(pair.b.selections, before + 1);
  pair.run_for(60s);
  EXPECT_TRUE(pair.a.agent.is_selected() && pair.b.agent.is_selected());
}

TEST(AgentPair, RestartRevivesADeadSession) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  pair.network.cut(at("192.0.2.1:1000"), at("192.0.2.2:2000"));
  pair.run_for(40s);
  ASSERT_TRUE(pair.a.disconnected_at);
  pair.network.heal();
  pair.a.agent.restart(pair.now, Credentials::make(pair.random), Role::controlling);
  pair.b.agent.restart(pair.now, Credentials::make(pair.random), Role::controlled);
  EXPECT_EQ(pair.a.agent.route(), std::nullopt);
  pair.exchange();
  EXPECT_TRUE(pair.run_until_selected());
}

TEST(AgentPair, FailsWithAReasonWhenNoPairWorks) {
  IcePair pair;
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.network.cut(at("192.0.2.1:1000"), at("192.0.2.2:2000"));
  pair.exchange();
  pair.run_for(60s);
  ASSERT_TRUE(pair.a.failed_at && pair.b.failed_at);
  EXPECT_EQ(*pair.a.failed_at - start, 30s);
  EXPECT_THAT(pair.a.failure_reason, ::testing::HasSubstr("no pair"));
  EXPECT_EQ(pair.a.agent.next_timeout(), never);
  ASSERT_EQ(pair.a.agent.log().size(), 1u);
  EXPECT_EQ(pair.a.agent.log()[0].outcome, CheckOutcome::timed_out);
}

TEST(AgentPair, ManyCandidatesStayWithinTheLimitsAndConnect) {
  IcePair pair;
  for (int i = 0; i < 8; ++i)
    pair.a.add_host(pair.now, at(fmt::format("192.0.2.{}:1000", i + 1)),
                    static_cast<std::uint16_t>(65535 - i));
  // Eighty candidates of which only the sixty-fourth exists; the rest is beyond the limit.
  pair.b.plug(at("198.51.100.64:2000"));
  for (int i = 1; i <= 80; ++i) {
    const Candidate candidate = host_candidate(at(fmt::format("198.51.100.{}:2000", i)),
                                               static_cast<std::uint16_t>(i == 64 ? 65535 : i));
    pair.b.candidates.push_back(candidate);
    if (i == 64) pair.b.agent.add_local_candidate(pair.now, candidate);
  }
  pair.exchange();
  EXPECT_TRUE(pair.run_until_selected());
  EXPECT_LE(pair.a.agent.log().size(), 256u);
  EXPECT_EQ(pair.a.agent.route()->remote, at("198.51.100.64:2000"));
}

class LossyAgentPair : public ::testing::TestWithParam<int> {};

// Both agents have two addresses; up to 30 % of all packets vanish, both ways.
TEST_P(LossyAgentPair, BothSidesSelectTheSamePair) {
  const auto seed = static_cast<std::uint64_t>(GetParam());
  SeededRandom dice(seed * 7919);
  IcePair pair(seed);
  pair.network.loss = dice.unit() * 0.3;
  pair.network.delay = 1ms + dice.up_to(60ms);
  pair.network.jitter = dice.up_to(30ms);
  pair.a.add_host(pair.now, at("192.0.2.1:1000"));
  pair.a.add_host(pair.now, at("198.51.100.1:1000"), 60000);
  pair.b.add_host(pair.now, at("192.0.2.2:2000"));
  pair.b.add_host(pair.now, at("198.51.100.2:2000"), 60000);
  pair.exchange();
  ASSERT_TRUE(pair.run_until_selected());
  // Losses may make one side look for another path meanwhile; the two must find together again.
  pair.run_for(10s);
  pair.run_while([&] { return !has_same_pair(pair); }, pair.now + 10s);
  EXPECT_TRUE(has_same_pair(pair));
  EXPECT_FALSE(pair.a.failed_at || pair.b.failed_at);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LossyAgentPair, ::testing::Range(1, 201));

}  // namespace
}  // namespace chatixia::rtc::ice
