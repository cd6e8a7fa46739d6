#include <gtest/gtest.h>

#include "base/log_line.hpp"

namespace chatixia {
namespace {

std::string text(std::string_view value) {
  return format_log_line(false, "net", "said", {{"what", value}});
}
std::string json(std::string_view value) {
  return format_log_line(true, "net", "said", {{"what", value}});
}

TEST(LogLine, IsReadByPeopleOrPrograms) {
  EXPECT_EQ(text("plain"), "net: said what=plain");
  EXPECT_EQ(text("two words"), "net: said what=\"two words\"");
  EXPECT_EQ(text(""), "net: said what=\"\"");
  EXPECT_EQ(json("plain"), R"("scope":"net","event":"said","what":"plain")");
  EXPECT_EQ(format_log_line(false, "net", "said", {{"n", 7}, {"m", "x=y"}}),
            "net: said n=7 m=\"x=y\"");
}

TEST(LogLine, EscapesWhatATerminalWouldActOn) {
  EXPECT_EQ(text("\x1b[2J"), R"(net: said what="\u001b[2J")");
  EXPECT_EQ(text("a\nb"), R"(net: said what="a\u000ab")");
  EXPECT_EQ(text("\xc2\x9b"
                 "2J"),
            R"(net: said what="\u009b2J")");
  EXPECT_EQ(text("\x7f"), R"(net: said what="\u007f")");
  EXPECT_EQ(text("\"\\"), R"(net: said what="\"\\")");
}

TEST(LogLine, KeepsTextAndTellsOtherBytesOneByOne) {
  EXPECT_EQ(text("K\xc3\xb6ln \xc2\xa0"), "net: said what=\"K\xc3\xb6ln \xc2\xa0\"");
  EXPECT_EQ(text("\xc2"), R"(net: said what="\u00c2")");
  EXPECT_EQ(json("\xff\xc3\xb6"), R"("scope":"net","event":"said","what":"\u00ff\u00c3\u00b6")");
}

}  // namespace
}  // namespace chatixia
