#include "protocol/mesh_message.hpp"

#include <gtest/gtest.h>

namespace chatixia::protocol::mesh {
namespace {

TEST(MeshMessage, ReadsBackWhatItPrints) {
  const Message message{
      .type = std::string(type::task_request),
      .request_id = "r",
      .source_agent = "a",
      .target_agent = "b\n",
      .payload =
          TaskRequest{.skill = "echo", .args = {{"text", "\u20ac"}, {"n", 0.1}}, .timeout_ms = 1000}
              .encode()};
  const auto back = Message::parse(message.encode());
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, message);
}

TEST(TaskRequest, AnArgumentNamedLikeAFieldSurvivesInsideArgs) {
  const TaskRequest request{.skill = "s", .args = {{"skill", "inner"}, {"timeout_ms", 1}}};
  const auto back = TaskRequest::parse(request.encode());
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, request);
}

TEST(TaskResponse, ANullResultIsAResult) {
  const auto response = TaskResponse::parse({{"result", nullptr}, {"error", ""}});
  ASSERT_TRUE(response);
  ASSERT_TRUE(response->result);
  EXPECT_TRUE(response->result->is_null());
  EXPECT_EQ(response->encode(), (json::Object{{"result", nullptr}}));
}

}  // namespace
}  // namespace chatixia::protocol::mesh
