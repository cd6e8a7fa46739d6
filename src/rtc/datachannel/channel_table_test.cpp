#include "rtc/datachannel/channel_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rtc/datachannel/dcep.hpp"

namespace chatixia::rtc::datachannel {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

Buffer bytes_of(std::string_view text) {
  return Buffer(text.begin(), text.end());
}

struct End {
  explicit End(bool even, std::size_t channels_max = 128)
      : table({.even_ids = even, .ids_end = 16, .channels_max = channels_max}) {}

  void collect() {
    while (auto event = table.poll_event()) {
      if (const auto* opened = std::get_if<ChannelTable::Opened>(&*event))
        opens.push_back(*opened);
      else if (const auto* closed = std::get_if<ChannelTable::Closed>(&*event))
        closes.push_back(closed->channel);
      else
        messages.push_back(std::get<ChannelTable::MessageReceived>(*event));
    }
  }

  ChannelTable table;
  std::vector<ChannelTable::Opened> opens;
  std::vector<ChannelId> closes;
  std::vector<ChannelTable::MessageReceived> messages;
};

// Two tables and what an association without loss would do between them.
class ChannelPair : public ::testing::Test {
 protected:
  void carry(End& from, End& to) {
    while (auto command = from.table.poll_command()) {
      if (auto* send = std::get_if<ChannelTable::Send>(&*command)) {
        to.table.handle_message({send->channel, send->ppid, std::move(send->bytes)});
      } else {
        const sctp::StreamId streams[] = {std::get<ChannelTable::Reset>(*command).channel};
        to.table.handle_streams_reset(streams);
        if (complete_resets) from.table.handle_reset_completed(streams);
      }
    }
    from.collect();
    to.collect();
  }

  void settle() {
    for (int i = 0; i < 4; ++i) {
      carry(client, server);
      carry(server, client);
    }
  }

  void send(End& from, End& to, ChannelId id, MessageKind kind, std::string_view text) {
    const auto outgoing = from.table.prepare(id, kind, as_bytes(text));
    ASSERT_TRUE(outgoing) << outgoing.error().message();
    to.table.handle_message({id, outgoing->ppid, {outgoing->bytes.begin(), outgoing->bytes.end()}});
    to.collect();
  }

  bool complete_resets = true;
  End client{true};
  End server{false};
};

TEST_F(ChannelPair, OpensOnBothSidesWithItsOptions) {
  const ChannelOptions options{
      .label = "chat", .protocol = "v1", .ordered = false, .lifetime_max = 500ms};
  EXPECT_EQ(client.table.open(options), ChannelId{0});
  EXPECT_EQ(server.table.open({.label = "back"}), ChannelId{1});
  EXPECT_EQ(client.table.prepare(0, MessageKind::text, as_bytes("x")).error().code,
            sctp::make_error_code(sctp::Errc::not_connected));
  settle();
  ASSERT_EQ(client.opens.size(), 2u);
  ASSERT_EQ(server.opens.size(), 2u);
  EXPECT_EQ(server.opens[0].channel, 0);
  EXPECT_EQ(server.opens[0].options, options);
  EXPECT_TRUE(server.opens[0].incoming);
  EXPECT_FALSE(server.opens[1].incoming);
  const auto outgoing = client.table.prepare(0, MessageKind::text, as_bytes("x"));
  ASSERT_TRUE(outgoing);
  EXPECT_TRUE(outgoing->options.unordered);
  EXPECT_EQ(outgoing->options.lifetime_max, 500ms);
}

TEST_F(ChannelPair, UsesThePayloadProtocolsOfTheRfc) {
  ASSERT_TRUE(client.table.open({}));
  settle();
  EXPECT_EQ(client.table.prepare(0, MessageKind::text, as_bytes("x"))->ppid, 51u);
  EXPECT_EQ(client.table.prepare(0, MessageKind::binary, as_bytes("x"))->ppid, 53u);
  EXPECT_EQ(client.table.prepare(0, MessageKind::text, {})->ppid, 56u);
  EXPECT_EQ(client.table.prepare(0, MessageKind::binary, {})->ppid, 57u);
  EXPECT_EQ(client.table.prepare(0, MessageKind::binary, {})->bytes.size(), 1u);
}

TEST_F(ChannelPair, CarriesTextBinaryAndEmptyMessages) {
  ASSERT_TRUE(client.table.open({}));
  settle();
  send(client, server, 0, MessageKind::text, "hello");
  send(server, client, 0, MessageKind::binary, "bytes");
  send(client, server, 0, MessageKind::text, "");
  send(client, server, 0, MessageKind::binary, "");
  ASSERT_EQ(server.messages.size(), 3u);
  EXPECT_EQ(server.messages[0].bytes, bytes_of("hello"));
  EXPECT_EQ(server.messages[0].kind, MessageKind::text);
  EXPECT_TRUE(server.messages[1].bytes.empty());
  EXPECT_EQ(server.messages[1].kind, MessageKind::text);
  EXPECT_TRUE(server.messages[2].bytes.empty());
  EXPECT_EQ(server.messages[2].kind, MessageKind::binary);
  ASSERT_EQ(client.messages.size(), 1u);
  EXPECT_EQ(client.messages[0].kind, MessageKind::binary);
}

TEST_F(ChannelPair, DataBeforeTheAckOpensTheChannel) {
  ASSERT_TRUE(client.table.open({.ordered = false}));
  client.table.handle_message({0, 51, bytes_of("early")});
  client.collect();
  ASSERT_EQ(client.opens.size(), 1u);
  ASSERT_EQ(client.messages.size(), 1u);
  client.table.handle_message({0, 50, {0x02}});
  client.collect();
  EXPECT_EQ(client.opens.size(), 1u);
}

TEST_F(ChannelPair, CloseFromEitherSideEndsBothAndFreesTheId) {
  for (End* closer : {&client, &server}) {
    EXPECT_EQ(client.table.open({}), ChannelId{0});
    settle();
    closer->table.close(0);
    EXPECT_EQ(closer->table.prepare(0, MessageKind::text, as_bytes("x")).error().code,
              sctp::make_error_code(sctp::Errc::no_such_stream));
    settle();
    EXPECT_THAT(client.closes, ElementsAre(0));
    EXPECT_THAT(server.closes, ElementsAre(0));
    EXPECT_EQ(client.table.size(), 0u);
    EXPECT_EQ(server.table.size(), 0u);
    client.closes.clear();
    server.closes.clear();
  }
}

TEST_F(ChannelPair, CloseFromBothSidesAtOnceEndsOnce) {
  ASSERT_TRUE(client.table.open({}));
  settle();
  client.table.close(0);
  server.table.close(0);
  client.table.close(0);
  settle();
  EXPECT_THAT(client.closes, ElementsAre(0));
  EXPECT_THAT(server.closes, ElementsAre(0));
  EXPECT_EQ(client.table.size() + server.table.size(), 0u);
}

TEST_F(ChannelPair, AnIdIsNotReusedBeforeItsResetIsOver) {
  complete_resets = false;
  EXPECT_EQ(client.table.open({}), ChannelId{0});
  settle();
  server.table.close(0);
  settle();
  EXPECT_THAT(client.closes, ElementsAre(0));
  EXPECT_EQ(client.table.open({}), ChannelId{2});
  client.table.handle_reset_completed(std::array<sctp::StreamId, 1>{0});
  EXPECT_EQ(client.table.open({}), ChannelId{0});
}

TEST_F(ChannelPair, ThePeerMayReuseAnIdThatStillLingersHere) {
  complete_resets = false;
  ASSERT_TRUE(client.table.open({.label = "one"}));
  settle();
  client.table.close(0);
  settle();
  client.table.handle_reset_completed(std::array<sctp::StreamId, 1>{0});
  ASSERT_EQ(client.table.open({.label = "two"}), ChannelId{0});
  settle();
  server.table.handle_reset_completed(std::array<sctp::StreamId, 1>{0});
  ASSERT_EQ(server.opens.size(), 2u);
  EXPECT_EQ(server.opens[1].options.label, "two");
  send(client, server, 0, MessageKind::text, "works");
  EXPECT_EQ(server.messages.size(), 1u);
}

TEST_F(ChannelPair, AResetOfAllStreamsClosesEveryChannel) {
  ASSERT_TRUE(client.table.open({}));
  ASSERT_TRUE(client.table.open({}));
  settle();
  server.table.handle_streams_reset({});
  server.collect();
  EXPECT_THAT(server.closes, ElementsAre(0, 2));
}

TEST_F(ChannelPair, MessagesOnUnknownStreamsAreDroppedAndCounted) {
  server.table.handle_message({4, 51, bytes_of("who")});
  server.table.handle_message({4, 50, {0x02}});
  server.table.handle_message({4, 52, bytes_of("deprecated")});
  server.table.handle_message({4, 0, bytes_of("none")});
  server.collect();
  EXPECT_EQ(server.table.dropped_messages(), 4u);
  EXPECT_TRUE(server.messages.empty());
  EXPECT_FALSE(server.table.poll_command());
}

TEST_F(ChannelPair, AnOpenThatMakesNoSenseIsAnsweredByAReset) {
  const auto expect_reset = [this](ChannelId id, Buffer bytes) {
    server.table.handle_message({id, 50, std::move(bytes)});
    const auto command = server.table.poll_command();
    ASSERT_TRUE(command);
    ASSERT_TRUE(std::holds_alternative<ChannelTable::Reset>(*command));
    EXPECT_EQ(std::get<ChannelTable::Reset>(*command).channel, id);
  };
  expect_reset(0, {});               // nothing
  expect_reset(0, {0x03, 0x00});     // cut
  expect_reset(0, {0x77});           // unknown
  expect_reset(3, encode_open({}));  // the server's own id
  server.collect();
  EXPECT_TRUE(server.opens.empty());
  EXPECT_EQ(server.table.dropped_messages(), 4u);
}

TEST_F(ChannelPair, ASecondOpenOnAnOpenChannelChangesNothing) {
  ASSERT_TRUE(client.table.open({.label = "one"}));
  settle();
  server.table.handle_message({0, 50, encode_open({.label = "two"})});
  settle();
  EXPECT_EQ(server.opens.size(), 1u);
  EXPECT_EQ(server.table.dropped_messages(), 1u);
}

TEST(ChannelTable, HasRoomForSoManyChannelsAndNoMore) {
  ChannelTable table({.even_ids = true, .ids_end = 16, .channels_max = 4});
  for (ChannelId id = 0; id < 8; id += 2) EXPECT_EQ(table.open({}), id);
  EXPECT_EQ(table.open({}).error().code, sctp::make_error_code(sctp::Errc::no_such_stream));
  while (table.poll_command()) {
  }
  table.handle_message({1, 50, encode_open({})});
  EXPECT_TRUE(std::holds_alternative<ChannelTable::Reset>(*table.poll_command()));
}

TEST(ChannelTable, EndsWhereTheStreamsEnd) {
  ChannelTable table({.even_ids = false, .ids_end = 4, .channels_max = 100});
  EXPECT_EQ(table.open({}), ChannelId{1});
  EXPECT_EQ(table.open({}), ChannelId{3});
  EXPECT_EQ(table.open({}).error().code, sctp::make_error_code(sctp::Errc::no_such_stream));
}

TEST(ChannelTable, RefusesALabelThatNoPeerOfOursWouldTake) {
  ChannelTable table({});
  EXPECT_FALSE(table.open({.label = std::string(name_bytes_max + 1, 'x')}));
  EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace chatixia::rtc::datachannel
