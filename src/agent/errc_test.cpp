#include "agent/errc.hpp"

#include <gtest/gtest.h>

namespace chatixia::agent {
namespace {

TEST(AgentErrc, EveryValueHasASentence) {
  for (int value = 1; value <= static_cast<int>(Errc::peer_lost); ++value)
    EXPECT_TRUE(category().message(value).ends_with('.')) << value;
}

TEST(AgentErrc, AProblemBecomesTheErrorOfItsCode) {
  const Error plain = to_error(protocol::make_problem("unknown_peer"));
  EXPECT_EQ(plain.code, Errc::unknown_peer);
  EXPECT_EQ(plain.message(), "Nobody of that name is on the mesh.");
  EXPECT_EQ(to_error(protocol::make_problem("unknown_peer", "zed is away")).context, "zed is away");
  const Error strange = to_error({.code = "too_sunny", .message = "It is too sunny.", .hint = ""});
  EXPECT_EQ(strange.code, Errc::internal);
  EXPECT_EQ(strange.context, "too_sunny: It is too sunny.");
}

TEST(AgentErrc, CrossesTheMeshAsText) {
  const std::string text = to_text({Errc::unknown_skill, "no skill \"x\""});
  EXPECT_EQ(text, "unknown_skill: no skill \"x\"");
  const Error back = from_text(text);
  EXPECT_EQ(back.code, Errc::unknown_skill);
  EXPECT_EQ(back.context, "no skill \"x\"");

  EXPECT_EQ(from_text(to_text({Errc::deadline_exceeded, {}})).code, Errc::deadline_exceeded);
  EXPECT_EQ(to_text({std::make_error_code(std::errc::io_error), "disk"}), "internal: disk");
  EXPECT_EQ(to_text({Errc::stopped, {}}), "unavailable: The agent is stopping.");
  EXPECT_EQ(protocol_code({Errc::peer_lost, {}}), "unavailable");
}

TEST(AgentErrc, APeersTroubleWithAThirdOneIsAFailureOfItsSkill) {
  for (const Errc error : {Errc::unknown_peer, Errc::not_connected, Errc::connect_failed,
                           Errc::send_buffer_full, Errc::sidecar_gone, Errc::sidecar_busy}) {
    const std::string text = to_text({error, "x"});
    EXPECT_EQ(from_text(text).code, Errc::skill_failed) << text;
    EXPECT_EQ(from_text(text).context, text);
    EXPECT_EQ(from_answer(protocol_code({error, {}}), "x").code, Errc::skill_failed) << text;
  }
}

TEST(AgentErrc, AnAnswerNamesItsErrorOrIsAFailureOfTheSkill) {
  EXPECT_EQ(from_answer("deadline_exceeded", "late").code, Errc::deadline_exceeded);
  EXPECT_EQ(from_answer("", "boom").code, Errc::skill_failed);
  EXPECT_EQ(from_answer("", "boom").context, "boom");
  EXPECT_EQ(from_answer("quota", "spent").context, "quota: spent");
}

TEST(AgentErrc, AnyOtherTextIsAFailureOfTheSkill) {
  for (const char* const text : {"", "boom", "TTL expired", "key error: no such key"}) {
    EXPECT_EQ(from_text(text).code, Errc::skill_failed) << text;
    EXPECT_EQ(from_text(text).context, text);
  }
}

}  // namespace
}  // namespace chatixia::agent
