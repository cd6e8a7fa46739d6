#include "agent/pending_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chatixia::agent {
namespace {

using namespace std::chrono_literals;
constexpr Instant start{1h};

TEST(PendingTable, AnEntryIsTakenOnce) {
  PendingTable<int> table(4);
  ASSERT_TRUE(table.add("a", start, 1));
  ASSERT_NE(table.find("a"), nullptr);
  EXPECT_EQ(table.take("a"), 1);
  EXPECT_EQ(table.take("a"), std::nullopt);
  EXPECT_EQ(table.find("a"), nullptr);
  EXPECT_EQ(table.next_timeout(), never);
}

TEST(PendingTable, RefusesAnIdThatWaitsAndMoreThanItMayHold) {
  PendingTable<int> table(2);
  ASSERT_TRUE(table.add("a", start, 1));
  EXPECT_FALSE(table.add("a", start, 2));
  ASSERT_TRUE(table.add("b", start, 2));
  EXPECT_TRUE(table.is_full());
  EXPECT_FALSE(table.add("c", start, 3));
  EXPECT_EQ(table.take("a"), 1);
  EXPECT_TRUE(table.add("c", start, 3));
}

TEST(PendingTable, EntriesExpireInTheOrderOfTheirDeadlines) {
  PendingTable<int> table(8);
  ASSERT_TRUE(table.add("late", start + 3s, 3));
  ASSERT_TRUE(table.add("early", start + 1s, 1));
  ASSERT_TRUE(table.add("middle", start + 2s, 2));
  EXPECT_EQ(table.next_timeout(), start + 1s);
  EXPECT_EQ(table.take_expired(start), std::nullopt);
  EXPECT_EQ(table.take_expired(start + 2s), 1);
  EXPECT_EQ(table.take_expired(start + 2s), 2);
  EXPECT_EQ(table.take_expired(start + 2s), std::nullopt);
  EXPECT_EQ(table.next_timeout(), start + 3s);
}

TEST(PendingTable, SomeCanBeTakenByWhatTheyAre) {
  PendingTable<int> table(8);
  for (int i = 1; i <= 4; ++i) ASSERT_TRUE(table.add(std::to_string(i), start + i * 1s, i));
  const auto is_odd = [](int entry) { return entry % 2 == 1; };
  EXPECT_THAT(table.take_if(is_odd), testing::UnorderedElementsAre(1, 3));
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.next_timeout(), start + 2s);
  EXPECT_EQ(table.take("1"), std::nullopt);
  EXPECT_EQ(table.take("4"), 4);
}

TEST(PendingTable, AllCanBeTakenAtOnce) {
  PendingTable<int> table(8);
  ASSERT_TRUE(table.add("a", start, 1));
  ASSERT_TRUE(table.add("b", never, 2));
  EXPECT_THAT(table.take_all(), testing::UnorderedElementsAre(1, 2));
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.next_timeout(), never);
}

}  // namespace
}  // namespace chatixia::agent
