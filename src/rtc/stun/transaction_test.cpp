#include "rtc/stun/transaction.hpp"

#include <gtest/gtest.h>

namespace chatixia::rtc::stun {
namespace {

using namespace std::chrono_literals;
using Step = ClientTransaction::Step;

constexpr Instant start{1h};
constexpr TransactionId id = {7};

ClientTransaction make(Retransmission policy = {}) {
  return ClientTransaction(id, {}, policy, start);
}

TEST(ClientTransaction, RepeatsWithDoublingIntervalsAndGivesUpAsRfc8489Says) {
  ClientTransaction transaction = make();
  std::vector<Duration> times;
  for (;;) {
    const Instant now = transaction.next_timeout();
    const Step step = transaction.handle_timeout(now);
    times.push_back(now - start);
    if (step == Step::give_up) break;
    ASSERT_EQ(step, Step::retransmit);
  }
  // RFC 8489, section 6.2.1, counts them out for an RTO of 500 ms.
  EXPECT_EQ(times,
            (std::vector<Duration>{500ms, 1500ms, 3500ms, 7500ms, 15500ms, 31500ms, 39500ms}));
}

TEST(ClientTransaction, DoesNothingBeforeItsTime) {
  ClientTransaction transaction = make();
  EXPECT_EQ(transaction.handle_timeout(start + 499ms), Step::wait);
  EXPECT_EQ(transaction.next_timeout(), start + 500ms);
}

TEST(ClientTransaction, KnowsItsResponses) {
  const ClientTransaction transaction = make();
  for (const Class kind : {Class::success, Class::error}) {
    const Buffer bytes = Builder(kind, Method::binding, id).take();
    EXPECT_TRUE(transaction.matches(*Message::parse(bytes)));
  }
  const Buffer request = Builder(Class::request, Method::binding, id).take();
  EXPECT_FALSE(transaction.matches(*Message::parse(request)));
  const Buffer other = Builder(Class::success, Method::binding, TransactionId{8}).take();
  EXPECT_FALSE(transaction.matches(*Message::parse(other)));
}

TEST(ClientTransaction, MeasuresOnlyRequestsThatWereSentOnce) {
  ClientTransaction transaction = make();
  EXPECT_EQ(transaction.round_trip(start + 30ms), 30ms);
  transaction.handle_timeout(start + 500ms);
  EXPECT_EQ(transaction.round_trip(start + 530ms), std::nullopt);
}

TEST(ClientTransaction, CancelledItOnlyWaits) {
  ClientTransaction transaction = make({100ms, 7, 16});
  transaction.cancel_retransmissions(start + 10ms);
  EXPECT_EQ(transaction.next_timeout(), start + 1610ms);
  transaction.cancel_retransmissions(start + 20ms);
  EXPECT_EQ(transaction.next_timeout(), start + 1610ms);
  EXPECT_EQ(transaction.handle_timeout(start + 1610ms), Step::give_up);
}

TEST(ClientTransaction, IdsAreDrawnFromTheSource) {
  SeededRandom random(1);
  EXPECT_NE(make_transaction_id(random), make_transaction_id(random));
}

}  // namespace
}  // namespace chatixia::rtc::stun
