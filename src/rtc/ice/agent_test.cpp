#include "rtc/ice/agent.hpp"

#include <gmock/gmock.h>

#include "rtc/ice/binding.hpp"
#include "rtc/ice/consent.hpp"
#include "rtc/stun/transaction.hpp"
#include "support/ice_pair.hpp"

// One agent against messages written by hand.
namespace chatixia::rtc::ice {
namespace {

using namespace std::chrono_literals;
using stun::AttributeType;
using testing::at;
using testing::host_candidate;
using testing::start;

constexpr std::size_t pacing_steps = 400;

class AgentTest : public ::testing::Test {
 protected:
  void make(Role role) {
    agent.emplace(Agent::Options{.role = role}, ours, random, now);
    agent->add_local_candidate(now, host_candidate(local));
  }
  void describe() {
    agent->set_remote_credentials(now, theirs);
    agent->add_remote_candidate(now, host_candidate(remote));
    agent->end_of_remote_candidates(now);
    agent->end_of_local_candidates(now);
  }
  Buffer check(bool use_candidate = false, Role role = Role::controlled) {
    return encode_check(stun::make_transaction_id(random), theirs, ours,
                        {0x6e0001ff, role, 77, use_candidate});
  }
  void receive(Bytes bytes, const Endpoint& from) { agent->handle_stun(now, {local, from, bytes}); }
  std::vector<Transmit> sent() {
    std::vector<Transmit> out;
    while (auto transmit = agent->poll_transmit()) out.push_back(std::move(*transmit));
    return out;
  }
  // The answers to requests among these, as the peer would give them.
  void answer(const std::vector<Transmit>& transmits) {
    for (const Transmit& transmit : transmits) {
      const auto message = stun::Message::parse(transmit.bytes);
      if (message->message_class() != stun::Class::request) continue;
      const Buffer response =
          encode_check_success(message->transaction_id(), transmit.local, theirs);
      agent->handle_stun(now, {transmit.local, transmit.remote, response});
    }
  }
  // Answers everything until the agent is quiet for a while.
  void answer_all(Duration duration) {
    const Instant end = now + duration;
    for (;;) {
      for (auto out = sent(); !out.empty(); out = sent()) answer(out);
      if (agent->next_timeout() > end) break;
      now = std::max(now, agent->next_timeout());
      agent->handle_timeout(now);
    }
    now = end;
  }
  int count_requests(const std::vector<Transmit>& transmits) {
    int count = 0;
    for (const Transmit& transmit : transmits)
      if (stun::Message::parse(transmit.bytes)->message_class() == stun::Class::request) ++count;
    return count;
  }

  const Endpoint local = at("192.0.2.1:1000");
  const Endpoint remote = at("192.0.2.2:2000");
  const Credentials ours = {"ours", "our password that is long"};
  const Credentials theirs = {"them", "their password that is long"};
  SeededRandom random{1};
  Instant now = start;
  std::optional<Agent> agent;
};

TEST_F(AgentTest, IsSilentToWhatIsNotAuthenticated) {
  make(Role::controlling);
  describe();
  sent();
  const stun::TransactionId id = {1};
  const Credentials wrong = {"ours", "guess"};
  const std::vector<Buffer> strangers = {
      encode_check(id, theirs, wrong, {}),                     // a wrong password
      encode_check(id, theirs, {"other", ours.password}, {}),  // for somebody else
      encode_check(id, {"evil", "x"}, ours, {}),               // from somebody else
      stun::Builder(stun::Class::request, stun::Method::binding, id).fingerprint().take(),
      stun::Builder(stun::Class::request, stun::Method::binding, id)
          .text(AttributeType::username, "ours:them")
          .u32(AttributeType::priority, 1)
          .take(),
      stun::Builder(stun::Class::request, stun::Method::allocate, id).take(),
      stun::Builder(stun::Class::indication, stun::Method::binding, id).take(),
      encode_check_success(id, local, theirs),  // an answer to no question
      Buffer{},
      Buffer(20, 0),
  };
  for (const Buffer& bytes : strangers) receive(bytes, at("198.51.100.9:9"));
  EXPECT_TRUE(sent().empty());
  EXPECT_FALSE(agent->is_authenticated(local, at("198.51.100.9:9")));
  EXPECT_EQ(agent->route(), std::nullopt);
}

TEST_F(AgentTest, IgnoresChecksAtAnAddressThatIsNotACandidate) {
  make(Role::controlling);
  describe();
  sent();
  agent->handle_stun(now, {at("10.0.0.1:1000"), remote, check()});
  EXPECT_TRUE(sent().empty());
}

TEST_F(AgentTest, AnswersACheckWithTheAddressItCameFrom) {
  make(Role::controlling);
  describe();
  sent();
  const Buffer bytes = check();
  receive(bytes, at("198.51.100.9:9"));
  const auto out = sent();
  ASSERT_FALSE(out.empty());
  EXPECT_EQ(out[0].remote, at("198.51.100.9:9"));
  EXPECT_EQ(out[0].local, local);
  const auto response = stun::Message::parse(out[0].bytes);
  EXPECT_EQ(response->message_class(), stun::Class::success);
  EXPECT_EQ(response->transaction_id(), stun::Message::parse(bytes)->transaction_id());
  EXPECT_EQ(response->xor_address(AttributeType::xor_mapped_address), at("198.51.100.9:9"));
  EXPECT_TRUE(response->verify_integrity(as_bytes(ours.password)));
  EXPECT_TRUE(response->has_fingerprint());
  EXPECT_TRUE(agent->is_authenticated(local, at("198.51.100.9:9")));
  EXPECT_FALSE(agent->is_authenticated(at("192.0.2.9:1"), at("198.51.100.9:9")));
}

TEST_F(AgentTest, SaysWhatItDoesNotUnderstand) {
  make(Role::controlling);
  describe();
  sent();
  const stun::TransactionId id = {9};
  receive(stun::Builder(stun::Class::request, stun::Method::binding, id)
              .text(AttributeType::username, "ours:them")
              .u32(AttributeType::priority, 1)
              .flag(static_cast<AttributeType>(0x7abc))
              .integrity(as_bytes(ours.password))
              .take(),
          remote);
  const auto out = sent();
  ASSERT_EQ(out.size(), 1u);
  const auto response = stun::Message::parse(out[0].bytes);
  EXPECT_EQ(response->error_code()->code, 420);
  EXPECT_EQ(response->find(AttributeType::unknown_attributes)->size(), 2u);
  EXPECT_TRUE(response->verify_integrity(as_bytes(ours.password)));
}

TEST_F(AgentTest, SendsChecksAsRfc8445Describes) {
  make(Role::controlling);
  describe();
  const auto out = sent();
  ASSERT_EQ(out.size(), 1u);  // at once, not after the pacing interval
  const auto request = stun::Message::parse(out[0].bytes);
  EXPECT_EQ(request->text(AttributeType::username), "them:ours");
  EXPECT_EQ(request->u32(AttributeType::priority), 110u << 24 | 65535u << 8 | 255u);
  EXPECT_TRUE(request->u64(AttributeType::ice_controlling));
  EXPECT_FALSE(request->has(AttributeType::use_candidate));
  EXPECT_TRUE(request->verify_integrity(as_bytes(theirs.password)));
  EXPECT_TRUE(request->has_fingerprint());
}

TEST_F(AgentTest, PacesNewChecksAndRepeatsUnansweredOnes) {
  make(Role::controlling);
  agent->set_remote_credentials(now, theirs);
  for (int port = 1; port <= 3; ++port)
    agent->add_remote_candidate(
        now, host_candidate({IpAddress::v4(0xc0000210u + static_cast<unsigned>(port)), 9}));
  std::vector<Duration> times;
  for (std::size_t i = 0; i < pacing_steps && agent->next_timeout() < start + 9s; ++i) {
    for ([[maybe_unused]] const Transmit& transmit : sent()) times.push_back(now - start);
    now = agent->next_timeout();
    agent->handle_timeout(now);
  }
  ASSERT_GE(times.size(), 4u);
  EXPECT_THAT(std::vector<Duration>(times.begin(), times.begin() + 4),
              ::testing::ElementsAre(0ms, 5ms, 10ms, 100ms));
  EXPECT_EQ(times.size(), 3u * 7);
  for (const CheckRecord& record : agent->log()) EXPECT_EQ(record.outcome, CheckOutcome::timed_out);
}

TEST_F(AgentTest, NominatesTheFirstDirectPairAndSelectsItOnTheAnswer) {
  make(Role::controlling);
  describe();
  answer(sent());
  const auto out = sent();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_TRUE(stun::Message::parse(out[0].bytes)->has(AttributeType::use_candidate));
  EXPECT_FALSE(agent->is_selected());
  EXPECT_EQ(agent->route()->remote, remote);  // valid already
  answer(out);
  EXPECT_TRUE(agent->is_selected());
  const auto event = agent->poll_event();
  ASSERT_TRUE(event);
  EXPECT_EQ(std::get<Agent::Selected>(*event).path, agent->route());
}

TEST_F(AgentTest, RefusesAnswersThatComeAnotherWay) {
  make(Role::controlling);
  describe();
  const auto out = sent();
  const auto request = stun::Message::parse(out[0].bytes);
  receive(encode_check_success(request->transaction_id(), local, theirs), at("198.51.100.9:9"));
  EXPECT_EQ(agent->log()[0].outcome, CheckOutcome::unexpected_source);
  EXPECT_FALSE(agent->is_authenticated(local, at("198.51.100.9:9")));
  EXPECT_EQ(agent->route(), std::nullopt);
}

TEST_F(AgentTest, RefusesAnswersWithoutThePassword) {
  make(Role::controlling);
  describe();
  const auto out = sent();
  const auto request = stun::Message::parse(out[0].bytes);
  receive(encode_check_success(request->transaction_id(), local, {"x", "guess"}), remote);
  EXPECT_EQ(agent->log()[0].outcome, CheckOutcome::in_progress);
  answer(out);  // the true one still counts
  EXPECT_EQ(agent->log()[0].outcome, CheckOutcome::succeeded);
}

TEST_F(AgentTest, RecordsErrorAnswers) {
  make(Role::controlling);
  describe();
  const auto out = sent();
  const auto request = stun::Message::parse(out[0].bytes);
  receive(encode_check_error(request->transaction_id(), 420, {}, theirs), remote);
  EXPECT_EQ(agent->log()[0].outcome, CheckOutcome::error_response);
  EXPECT_EQ(agent->log()[0].error_code, 420);
}

TEST_F(AgentTest, ControlledWaitsForTheNominationOfAValidPair) {
  make(Role::controlled);
  describe();
  answer_all(50ms);
  EXPECT_FALSE(agent->is_selected());
  EXPECT_TRUE(agent->route());
  receive(check(true, Role::controlling), remote);
  EXPECT_TRUE(agent->is_selected());
}

TEST_F(AgentTest, ControlledRemembersANominationThatComesBeforeItsOwnCheckSucceeds) {
  make(Role::controlled);
  describe();
  const auto first = sent();
  receive(check(true, Role::controlling), remote);
  EXPECT_FALSE(agent->is_selected());
  answer(first);
  EXPECT_TRUE(agent->is_selected());
}

TEST_F(AgentTest, OfAggressivelyNominatedPairsTheBestOneCounts) {
  make(Role::controlled);
  agent->set_remote_credentials(now, theirs);
  const Endpoint better = at("192.0.2.3:3000");
  agent->add_remote_candidate(now, host_candidate(remote, 1));
  agent->add_remote_candidate(now, host_candidate(better, 9));
  answer_all(50ms);
  receive(check(true, Role::controlling), remote);
  EXPECT_EQ(agent->route()->remote, remote);
  receive(check(true, Role::controlling), better);
  EXPECT_EQ(agent->route()->remote, better);
  receive(check(true, Role::controlling), remote);
  answer_all(2s);
  EXPECT_EQ(agent->route()->remote, better);
}

TEST_F(AgentTest, ALowerPairReplacesASelectedOneThatNoLongerAnswers) {
  make(Role::controlled);
  agent->set_remote_credentials(now, theirs);
  const Endpoint better = at("192.0.2.3:3000");
  agent->add_remote_candidate(now, host_candidate(remote, 1));
  agent->add_remote_candidate(now, host_candidate(better, 9));
  answer_all(50ms);
  receive(check(true, Role::controlling), better);
  ASSERT_EQ(agent->route()->remote, better);
  receive(check(true, Role::controlling), remote);
  sent();
  now += 500ms;
  agent->handle_timeout(now);
  EXPECT_EQ(agent->route()->remote, remote);
}

TEST_F(AgentTest, ARegularNominationIsFollowedEvenToALowerPair) {
  make(Role::controlled);
  agent->set_remote_credentials(now, theirs);
  const Endpoint better = at("192.0.2.3:3000");
  agent->add_remote_candidate(now, host_candidate(remote, 1));
  agent->add_remote_candidate(now, host_candidate(better, 9));
  answer_all(50ms);
  receive(check(false, Role::controlling), remote);
  receive(check(false, Role::controlling), better);
  receive(check(true, Role::controlling), better);
  receive(check(true, Role::controlling), remote);
  EXPECT_EQ(agent->route()->remote, remote);
}

TEST_F(AgentTest, IgnoresUseCandidateFromAControlledPeer) {
  make(Role::controlling);
  describe();
  answer(sent());
  sent();
  receive(check(true, Role::controlled), remote);
  EXPECT_FALSE(agent->is_selected());
}

TEST_F(AgentTest, AnErrorOf487TurnsTheRoleAroundAndRepeatsTheCheck) {
  make(Role::controlling);
  describe();
  const auto out = sent();
  const auto request = stun::Message::parse(out[0].bytes);
  receive(encode_check_error(request->transaction_id(), 487, {}, theirs), remote);
  EXPECT_EQ(agent->role(), Role::controlled);
  now = agent->next_timeout();
  agent->handle_timeout(now);
  const auto again = sent();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_TRUE(stun::Message::parse(again[0].bytes)->u64(AttributeType::ice_controlled));
}

TEST_F(AgentTest, TheLargerTieBreakerKeepsControl) {
  for (const Role role : {Role::controlling, Role::controlled}) {
    for (const std::uint64_t theirs_is : {std::uint64_t{0}, ~std::uint64_t{0}}) {
      make(role);
      describe();
      sent();
      receive(encode_check({1}, theirs, ours, {1, role, theirs_is, false}), remote);
      const auto out = sent();
      const auto response = stun::Message::parse(out[0].bytes);
      const bool we_kept = agent->role() == role;
      EXPECT_EQ(response->error_code().has_value(), we_kept);
      // We end up controlling exactly when our tie-breaker is the larger one.
      EXPECT_EQ(agent->role(), theirs_is == 0 ? Role::controlling : Role::controlled);
    }
  }
}

TEST_F(AgentTest, RemembersOnlySoManyPeerReflexiveAddresses) {
  make(Role::controlling);
  agent->set_remote_credentials(now, theirs);
  for (std::uint16_t port = 1; port <= 500; ++port) {
    receive(check(), {IpAddress::v4(0xc6336401), port});
    answer_all(20ms);
  }
  // Every address was answered, and the newest can be used.
  EXPECT_TRUE(agent->is_authenticated(local, at("198.51.100.1:500")));
  EXPECT_FALSE(agent->is_authenticated(local, at("198.51.100.1:2")));
  EXPECT_LE(agent->log().size(), 256u);
  EXPECT_TRUE(agent->is_selected());
}

TEST_F(AgentTest, RemembersOnlySoManyEarlyChecks) {
  make(Role::controlled);
  for (std::uint16_t port = 1; port <= 500; ++port)
    receive(check(false, Role::controlling), {IpAddress::v4(0xc6336401), port});
  EXPECT_EQ(count_requests(sent()), 0);
  agent->set_remote_credentials(now, theirs);
  int requests = 0;
  for (int i = 0; i < 400; ++i) {
    requests += count_requests(sent());
    if (agent->next_timeout() > now + 90ms) break;
    now = std::max(now, agent->next_timeout());
    agent->handle_timeout(now);
    if (now > start + 99ms) break;
  }
  EXPECT_LE(requests, 32);
  EXPECT_GE(requests, 1);
}

TEST_F(AgentTest, EarlyChecksOfAnotherPeerStartNothing) {
  make(Role::controlled);
  const Buffer bytes = encode_check({1}, {"evil", "x"}, ours, {1, Role::controlling, 7, true});
  receive(bytes, at("198.51.100.9:9"));
  agent->set_remote_credentials(now, theirs);
  EXPECT_EQ(count_requests(sent()), 0);
}

TEST_F(AgentTest, ConsentChecksAreNotRepeated) {
  make(Role::controlling);
  describe();
  answer_all(20ms);
  ASSERT_TRUE(agent->is_selected());
  const Instant selected = now;
  while (count_requests(sent()) == 0) {
    now = agent->next_timeout();
    agent->handle_timeout(now);
  }
  EXPECT_GE(now - selected, 4s - 20ms);
  EXPECT_LE(now - selected, 6s);
  const Instant asked = now;
  agent->handle_timeout(asked + 900ms);
  EXPECT_EQ(count_requests(sent()), 0);
}

TEST_F(AgentTest, ThePeersChecksDoNotStandForConsent) {
  make(Role::controlled);
  describe();
  answer_all(20ms);
  receive(check(true, Role::controlling), remote);
  answer_all(20ms);
  ASSERT_TRUE(agent->is_selected());
  for (int second = 0; second < 31; ++second) {
    now += 1s;
    agent->handle_timeout(now);
    receive(check(true, Role::controlling), remote);
    sent();  // none of ours arrives
  }
  EXPECT_EQ(agent->route(), std::nullopt);
}

TEST_F(AgentTest, NominatesAnotherPairWhenTheNominatedOneWasForgotten) {
  make(Role::controlling);
  agent->set_remote_credentials(now, theirs);
  receive(check(), at("198.51.100.9:9"));
  answer(sent());
  const auto nominating = sent();
  ASSERT_EQ(count_requests(nominating), 1);
  for (std::uint16_t port = 1; port <= 16; ++port) {
    receive(check(), {IpAddress::v4(0xc6336401), port});
    sent();
  }
  answer(nominating);
  ASSERT_FALSE(agent->is_selected());
  receive(check(), at("198.51.100.10:10"));
  answer_all(50ms);
  EXPECT_TRUE(agent->is_selected());
}

TEST_F(AgentTest, ChecksAPairAgainThatManyChecksHavePushedOut) {
  make(Role::controlled);
  const Endpoint other = at("192.0.2.3:3000");
  agent->set_remote_credentials(now, theirs);
  agent->add_remote_candidate(now, host_candidate(remote, 9));
  agent->add_remote_candidate(now, host_candidate(other, 1));
  for (int i = 0; i < 250; ++i) {
    now += 5ms;
    agent->handle_timeout(now);
    receive(check(false, Role::controlling), other);
  }
  sent();
  receive(check(true, Role::controlling), other);
  now += 5ms;
  agent->handle_timeout(now);
  answer(sent());
  ASSERT_TRUE(agent->is_selected());
  // The path falls silent, and every pair is tried again.
  int to_first = 0;
  const Instant end = now + 10s;
  while (now < end) {
    now = std::min(end, agent->next_timeout());
    agent->handle_timeout(now);
    for (const Transmit& transmit : sent()) to_first += transmit.remote == remote;
  }
  EXPECT_GT(to_first, 0);
}

TEST_F(AgentTest, DiscardsAnAnswerThatItDoesNotUnderstand) {
  make(Role::controlling);
  describe();
  const auto out = sent();
  const auto id = stun::Message::parse(out[0].bytes)->transaction_id();
  receive(stun::Builder(stun::Class::success, stun::Method::binding, id)
              .xor_address(AttributeType::xor_mapped_address, local)
              .flag(static_cast<AttributeType>(0x7abc))
              .integrity(as_bytes(theirs.password))
              .take(),
          remote);
  EXPECT_EQ(agent->log()[0].outcome, CheckOutcome::in_progress);
}

TEST_F(AgentTest, FailsWithAReasonWhenThePeerNamesNoAddress) {
  make(Role::controlling);
  agent->set_remote_credentials(now, theirs);
  now = agent->next_timeout();
  EXPECT_EQ(now, start + 30s);
  agent->handle_timeout(now);
  const auto event = agent->poll_event();
  ASSERT_TRUE(event);
  EXPECT_THAT(std::get<Agent::Failed>(*event).reason, ::testing::HasSubstr("no address"));
  EXPECT_EQ(agent->next_timeout(), never);
  receive(check(), remote);
  EXPECT_TRUE(sent().empty());
}

TEST_F(AgentTest, NeverFailsBeforeThePeerIsDescribed) {
  make(Role::controlling);
  EXPECT_EQ(agent->next_timeout(), never);
}

TEST_F(AgentTest, ControlledFailsWhenItIsNeverNominated) {
  make(Role::controlled);
  describe();
  answer_all(31s);
  std::string reason;
  while (auto event = agent->poll_event())
    if (auto* failed = std::get_if<Agent::Failed>(&*event)) reason = failed->reason;
  EXPECT_THAT(reason, ::testing::HasSubstr("never nominated"));
}

TEST(CredentialsTest, AreLongEnoughAndDiffer) {
  SeededRandom random(1);
  const Credentials a = Credentials::make(random);
  const Credentials b = Credentials::make(random);
  EXPECT_GE(a.ufrag.size(), 4u);
  EXPECT_GE(a.password.size(), 22u);
  EXPECT_NE(a.ufrag, b.ufrag);
  EXPECT_NE(a.password, b.password);
}

TEST(ReceiverUfrag, IsReadFromBindingRequestsOnly) {
  const Buffer bytes = encode_check({1}, {"from", "x"}, {"to", "y"}, {});
  EXPECT_EQ(receiver_ufrag(bytes), "to");
  EXPECT_EQ(receiver_ufrag({}), std::nullopt);
  EXPECT_EQ(receiver_ufrag(encode_check_success({1}, {}, {"a", "b"})), std::nullopt);
  EXPECT_EQ(receiver_ufrag(stun::Builder(stun::Class::request, stun::Method::binding, {1}).take()),
            std::nullopt);
  EXPECT_EQ(receiver_ufrag(stun::Builder(stun::Class::request, stun::Method::binding, {1})
                               .text(AttributeType::username, "nocolon")
                               .take()),
            std::nullopt);
}

TEST(ConsentTest, IsSuspectASecondAfterAnUnansweredCheckAndExpiresLater) {
  SeededRandom random(1);
  Consent consent({}, {}, random, start);
  consent.on_check_sent({1}, start + 5s, random);
  EXPECT_FALSE(consent.is_suspect(start + 5900ms));
  EXPECT_TRUE(consent.is_suspect(start + 6s));
  consent.on_response({2}, start + 6s);  // not ours
  EXPECT_TRUE(consent.is_suspect(start + 6s));
  EXPECT_FALSE(consent.is_expired(start + 29s));
  EXPECT_TRUE(consent.is_expired(start + 30s));
  consent.on_response({1}, start + 29s);
  EXPECT_FALSE(consent.is_suspect(start + 40s));
  EXPECT_FALSE(consent.is_expired(start + 58s));
  EXPECT_EQ(consent.rtt(), 24s);
}

}  // namespace
}  // namespace chatixia::rtc::ice
