#include "protocol/errors.hpp"

#include <set>

#include <gtest/gtest.h>

namespace chatixia::protocol {
namespace {

TEST(Errors, EveryCodeHasASentenceAndAHint) {
  std::set<std::string_view> seen;
  for (const ErrorCode& row : error_codes()) {
    EXPECT_TRUE(seen.insert(row.code).second) << row.code;
    EXPECT_TRUE(row.message.ends_with('.')) << row.code;
    EXPECT_TRUE(row.hint.ends_with('.')) << row.code;
    EXPECT_TRUE(row.http_status == 0 || (row.http_status >= 400 && row.http_status < 600));
  }
  EXPECT_EQ(seen.size(), 22u);
}

TEST(Errors, ADetailReplacesTheSentenceAndKeepsTheHint) {
  const Problem plain = make_problem(error_code::unknown_peer);
  EXPECT_EQ(plain.message, "Nobody of that name is on the mesh.");
  const Problem detailed = make_problem(error_code::unknown_peer, "zed is not here");
  EXPECT_EQ(detailed.message, "zed is not here");
  EXPECT_EQ(detailed.hint, plain.hint);
}

TEST(Errors, CodesOfTheFutureKeepTheirName) {
  const Problem problem = make_problem("too_sunny", "It is too sunny.");
  EXPECT_EQ(problem.code, "too_sunny");
  EXPECT_EQ(problem.message, "It is too sunny.");
  EXPECT_EQ(http_status("too_sunny"), 0);
  EXPECT_EQ(http_status(error_code::unauthorized), 401);
}

}  // namespace
}  // namespace chatixia::protocol
