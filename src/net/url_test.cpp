#include <gtest/gtest.h>

#include "net/http.hpp"

namespace chatixia::net {
namespace {

TEST(Url, TakesTheFormsPeopleWrite) {
  const auto url = Url::parse("https://Mesh.Example.net/api/v1?x=1#part");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "mesh.example.net");
  EXPECT_EQ(url->port, 443);
  EXPECT_EQ(url->target, "/api/v1?x=1");
  EXPECT_TRUE(url->is_secure());
  EXPECT_EQ(url->to_string(), "https://mesh.example.net/api/v1?x=1");
}

TEST(Url, FillsInPortAndTarget) {
  EXPECT_EQ(Url::parse("http://h")->to_string(), "http://h/");
  EXPECT_EQ(Url::parse("ws://h")->port, 80);
  EXPECT_EQ(Url::parse("WSS://h")->port, 443);
  EXPECT_EQ(Url::parse("ws://h:80/")->to_string(), "ws://h/");
  EXPECT_EQ(Url::parse("ws://h:8080?token=a.b")->to_string(), "ws://h:8080/?token=a.b");
}

TEST(Url, TakesIpv6InBrackets) {
  const auto url = Url::parse("http://[::1]:8080/x");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->port, 8080);
  EXPECT_EQ(url->to_string(), "http://[::1]:8080/x");
  EXPECT_EQ(Url::parse("http://[2001:db8::1]")->port, 80);
}

TEST(Url, RefusesEverythingElse) {
  for (const char* text : {"",
                           "h",
                           "//h",
                           "ftp://h",
                           "http:/h",
                           "http://",
                           "http://:80",
                           "http://h:",
                           "http://h:0",
                           "http://h:65536",
                           "http://h:80x",
                           "http://h:-1",
                           "http://user@h",
                           "http://a:b@h",
                           "http://[::1",
                           "http://[1.2.3.4]",
                           "http://[zz]",
                           "http://[::1]x",
                           "http://h /",
                           "http://h/a b",
                           "http://h/\n",
                           "http://h\r\nX: y",
                           "http://h/\x7f",
                           "http://h\xc3\xa9/"})
    EXPECT_FALSE(Url::parse(text).has_value()) << text;
  EXPECT_FALSE(Url::parse("http://" + std::string(254, 'a')).has_value());
}

}  // namespace
}  // namespace chatixia::net
