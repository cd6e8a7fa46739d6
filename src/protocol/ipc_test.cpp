#include "protocol/ipc.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chatixia::protocol::ipc {
namespace {

using testing::HasSubstr;

std::string nested(std::size_t depth) {
  return R"({"a":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
}

TEST(IpcCommand, ASentMessageStaysTheBytesItCameIn) {
  const std::string message = R"({ "type":"x" , "n":1.0e+2,"t":"\u0041\/"})";
  const std::string line = R"({"type":"send","payload":{"target_peer":"b","message":)" + message +
                           R"( },"id":"\u0031"})";
  const auto command = parse_command(line);
  ASSERT_TRUE(command);
  const auto& send = std::get<Send>(command->body);
  EXPECT_EQ(send.message, message);
  EXPECT_GE(send.message.data(), line.data());
  EXPECT_EQ(send.target, PeerId("b"));
  EXPECT_EQ(command->id, "1");
}

TEST(IpcCommand, TheLargestMessageFitsWithTheLongestNames) {
  const std::string message =
      R"({"a":")" + std::string(limits::message_bytes_max - 8, 'x') + R"("})";
  ASSERT_EQ(message.size(), limits::message_bytes_max);
  const std::string name(limits::id_bytes_max, '\x7f');
  const std::string line = encode_send(name, PeerId(name), message);
  ASSERT_LE(line.size(), limits::ipc_line_bytes_max);
  const auto command = parse_command(line);
  ASSERT_TRUE(command);
  EXPECT_EQ(std::get<Send>(command->body).message, message);
}

TEST(IpcCommand, TheDeepestMessagePassesEveryLeg) {
  const std::string deepest = nested(limits::json_depth_max);
  EXPECT_TRUE(is_relayable(deepest));
  EXPECT_TRUE(parse_command(encode_send("1", PeerId("b"), deepest)));
  EXPECT_TRUE(parse_event(encode_message(PeerId("b"), deepest)));

  const std::string deeper = nested(limits::json_depth_max + 1);
  EXPECT_FALSE(is_relayable(deeper));
  EXPECT_FALSE(parse_command(encode_send("1", PeerId("b"), deeper)));
  EXPECT_FALSE(parse_event(encode_message(PeerId("b"), deeper)));
}

TEST(IpcCommand, TheAnswerToABadLineNamesTheCommandIfItWasRead) {
  const auto bad = parse_command(R"({"id":"9","type":"send","payload":{"target_peer":)");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().id, "9");
  EXPECT_EQ(bad.error().problem.code, error_code::bad_request);
  EXPECT_THAT(bad.error().problem.message, HasSubstr("at the end"));
}

TEST(IpcCommand, EveryPrefixIsRefused) {
  const std::string whole = encode_send("1", PeerId("b"), R"({"type":"ping"})");
  const std::string event = encode_message(PeerId("b"), R"({"type":"ping"})");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_command(whole.substr(0, size)));
  for (std::size_t size = 0; size < event.size(); ++size)
    EXPECT_FALSE(parse_event(event.substr(0, size)));
}

TEST(IpcCommand, MembersOfOtherCommandsAreNothing) {
  const auto command =
      parse_command(R"({"type":"connect","payload":{"message":[1],"target_peer_id":"b"}})");
  ASSERT_TRUE(command);
  EXPECT_EQ(std::get<Connect>(command->body).target, PeerId("b"));
}

TEST(IpcRelay, OnlyAnObjectWithinTheLimitsGoesOn) {
  EXPECT_TRUE(is_relayable("{}"));
  EXPECT_TRUE(is_relayable(" {\"a\":[1]}\n"));
  for (const char* const other : {"", " ", "[]", "1", "null", "\"{}\"", "{", "{}{}", "{\"a\":1,}",
                                  "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}", "{\"a\":1e999}"})
    EXPECT_FALSE(is_relayable(other)) << other;
  const std::string largest = "{\"a\":\"" + std::string(limits::message_bytes_max - 8, 'x') + "\"}";
  EXPECT_TRUE(is_relayable(largest));
  EXPECT_FALSE(is_relayable(largest + " "));
}

TEST(IpcRelay, NewlinesBetweenTokensDoNotCutTheLine) {
  const std::string message = "{\r\n  \"a\": \"\\n\",\n  \"b\": 2\n}";
  ASSERT_TRUE(is_relayable(message));
  for (const std::string& line :
       {encode_message(PeerId("b"), message), encode_send("1", PeerId("b"), message),
        encode_broadcast(std::nullopt, message)}) {
    EXPECT_EQ(line.find_first_of("\r\n"), line.npos) << line;
    EXPECT_THAT(line, HasSubstr(R"({    "a": "\n",   "b": 2 })"));
  }
}

TEST(IpcEvent, AMessageStaysTheBytesItCameIn) {
  const std::string message = R"({ "type":"x" , "n":1.0e+2})";
  const std::string line = encode_message(PeerId("a\"b"), message);
  const auto event = parse_event(line);
  ASSERT_TRUE(event);
  EXPECT_EQ(std::get<MessageEvent>(event->body).message, message);
  EXPECT_EQ(std::get<MessageEvent>(event->body).from, PeerId("a\"b"));
}

TEST(IpcEvent, UnknownTypesKeepTheirNameAndId) {
  const auto event = parse_event(R"({"type":"weather","id":"3"})");
  ASSERT_TRUE(event);
  EXPECT_EQ(std::get<UnknownEvent>(event->body).type, "weather");
  EXPECT_EQ(event->id, "3");
}

TEST(IpcEvent, APayloadOfAnotherKindIsRefused) {
  EXPECT_EQ(parse_event(R"({"type":"ok","payload":[]})").error().code, ParseError::bad_value);
  EXPECT_EQ(parse_event(R"({"type":"status","payload":"x"})").error().code, ParseError::bad_value);
}

}  // namespace
}  // namespace chatixia::protocol::ipc
