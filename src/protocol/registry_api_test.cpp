#include "protocol/registry_api.hpp"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chatixia::protocol::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Rfc3339, PrintsMillisecondsInUtc) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(1767323045.678), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(rfc3339(951782399.999), "2000-02-28T23:59:59.999Z");
  EXPECT_EQ(rfc3339(951782400), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(rfc3339(-0.5), "1969-12-31T23:59:59.500Z");
}

TEST(Rfc3339, EveryMillisecondKeepsItself) {
  for (int ms = 0; ms < 1000; ++ms) {
    const std::string text = rfc3339(1'767'323'045 + ms / 1000.0);
    EXPECT_EQ(std::stoi(text.substr(20, 3)), ms) << text;
  }
}

TEST(Rfc3339, StaysInsideFourDigitYears) {
  EXPECT_EQ(rfc3339(std::numeric_limits<double>::infinity()), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(rfc3339(1e300), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(rfc3339(-1e300), "0000-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(std::numeric_limits<double>::quiet_NaN()), "1970-01-01T00:00:00.000Z");
}

TEST(AgentRecord, SkillsAreThoseOfItsCapabilities) {
  AgentRecord agent;
  EXPECT_THAT(agent.skills(), IsEmpty());
  agent.capabilities = {{"skills", {"echo", "sum"}}};
  EXPECT_THAT(agent.skills(), ElementsAre("echo", "sum"));
  agent.capabilities = {{"skills", "echo"}};
  EXPECT_THAT(agent.skills(), IsEmpty());
}

TEST(TaskSubmission, PrintsAnEmptyPayloadAsAnObject) {
  EXPECT_EQ(TaskSubmission{}.encode(),
            R"({"skill":"","target_agent_id":"","source_agent_id":"","payload":{},"ttl":300})");
}

}  // namespace
}  // namespace chatixia::protocol::api
