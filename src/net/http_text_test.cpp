#include "net/http_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chatixia::net {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(HttpTarget, DecodesPathAndQuery) {
  const auto target = HttpTarget::parse("/api/agents/a%20b%2Fc?skill=sum+up&x=%C3%A4&x=2&flag&&e=");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->path, "/api/agents/a b/c");
  EXPECT_EQ(target->query.find("skill")->second, "sum up");
  EXPECT_EQ(target->query.count("x"), 2U);
  EXPECT_EQ(target->query.find("x")->second, "ä");
  EXPECT_EQ(target->query.find("flag")->second, "");
  EXPECT_EQ(target->query.find("e")->second, "");
  EXPECT_EQ(target->query.size(), 5U);
}

TEST(HttpTarget, KeepsPlusInPathsAndTokensInQueries) {
  EXPECT_EQ(HttpTarget::parse("/a+b")->path, "/a+b");
  EXPECT_EQ(HttpTarget::parse("/ws?token=ey.J-x_y")->query.find("token")->second, "ey.J-x_y");
}

TEST(HttpTarget, TakesAbsoluteForm) {
  EXPECT_EQ(HttpTarget::parse("http://h:80/p?q=1")->path, "/p");
  EXPECT_EQ(HttpTarget::parse("http://h")->path, "/");
}

TEST(HttpTarget, RefusesBrokenEscapesAndText) {
  for (const char* text : {"", "*", "x", "?a", "/%", "/%4", "/%4g", "/%zz", "/%00", "/?a=%0",
                           "/?%=1", "/%ff", "/%C3", "/?x=%ed%a0%80", "h:443"})
    EXPECT_FALSE(HttpTarget::parse(text).has_value()) << text;
}

TEST(EncodeHead, WritesAnAnswer) {
  HttpResponse response{.status = 404, .body = "{}"};
  response.headers.emplace("Cache-Control", "no-store");
  const std::string head = encode_head(response, true);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nContent-Length: 2\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nContent-Type: application/json\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nConnection: keep-alive\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nCache-Control: no-store\r\n"));
  EXPECT_THAT(encode_head(response, false), HasSubstr("\r\nConnection: close\r\n"));
}

TEST(EncodeHead, LeavesOutHeadersThatWouldForgeAnAnswer) {
  HttpResponse response{.body = "x"};
  response.headers.emplace("location", "/\r\nSet-Cookie: a=b");
  response.headers.emplace("bad name", "x");
  response.headers.emplace("Content-Length", "100");
  response.headers.emplace("transfer-encoding", "chunked");
  const std::string head = encode_head(response, true);
  EXPECT_THAT(head, Not(HasSubstr("Cookie")));
  EXPECT_THAT(head, Not(HasSubstr("bad name")));
  EXPECT_THAT(head, Not(HasSubstr("100")));
  EXPECT_THAT(head, Not(HasSubstr("chunked")));
}

TEST(EncodeHead, GivesNoLengthToAnswersWithoutABody) {
  EXPECT_THAT(encode_head(HttpResponse{.status = 204}, true), Not(HasSubstr("Content-")));
  EXPECT_THAT(encode_head(HttpResponse{.status = 304}, true), Not(HasSubstr("Content-")));
}

TEST(EncodeHead, WritesACall) {
  HttpCall call{.method = "POST", .url = *Url::parse("http://[::1]:81/a?b"), .body = "123"};
  call.headers.emplace("authorization", "Bearer x");
  const auto head = encode_head(call);
  ASSERT_TRUE(head.has_value());
  EXPECT_TRUE(head->starts_with("POST /a?b HTTP/1.1\r\nHost: [::1]:81\r\nConnection: close\r\n"));
  EXPECT_THAT(*head, HasSubstr("\r\nContent-Length: 3\r\n"));
  EXPECT_THAT(*head, HasSubstr("\r\nauthorization: Bearer x\r\n"));
}

TEST(EncodeHead, RefusesACallThatWouldBeTwo) {
  const Url url = *Url::parse("http://h/");
  HttpCall call{.url = url};
  call.headers.emplace("x", "a\r\nb: c");
  EXPECT_FALSE(encode_head(call).has_value());
  EXPECT_FALSE(encode_head(HttpCall{.method = "GET /x HTTP/1.1\r\n", .url = url}).has_value());
  Url forged = url;
  forged.target = "/ HTTP/1.1\r\nX: y";
  EXPECT_FALSE(encode_head(HttpCall{.url = forged}).has_value());
}

}  // namespace
}  // namespace chatixia::net
