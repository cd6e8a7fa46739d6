#include "json/json.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json/reader.hpp"

namespace chatixia::json {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The reason of a refusal; parse() and validate() must agree on it.
std::error_code refusal(std::string_view text, const Limits& limits = {}) {
  const auto value = parse(text, limits);
  const auto checked = validate(text, limits);
  EXPECT_EQ(value.has_value(), checked.has_value()) << text;
  if (value) return {};
  if (!checked) EXPECT_EQ(value.error().code, checked.error().code) << text;
  return value.error().code;
}

std::string round_trip(std::string_view text) {
  const auto value = parse(text, {});
  return value ? encode(*value) : value.error().message();
}

struct Case {
  std::string_view text;
  std::string_view printed;
};

// What RFC 8259 allows, after its grammar.
constexpr Case accepted[] = {
    {"null", "null"},
    {" true ", "true"},
    {"\t\r\n false\n", "false"},
    {"{}", "{}"},
    {"[ ]", "[]"},
    {"{ \"\" : [ ] }", R"({"":[]})"},
    {R"({"a":{"b":{"c":[1,[2,[3]]]}},"d":"e"})", R"({"a":{"b":{"c":[1,[2,[3]]]}},"d":"e"})"},
    {R"([{"a":1},{"a":2}])", R"([{"a":1},{"a":2}])"},
    {R"({"a":{"a":{"a":1}}})", R"({"a":{"a":{"a":1}}})"},
    {R"([[],[[]],{"x":[]}])", R"([[],[[]],{"x":[]}])"},
    {"0", "0"},
    {"-0", "0"},
    {"-0.0", "-0.0"},
    {"0.0", "0.0"},
    {"-1", "-1"},
    {"9223372036854775807", "9223372036854775807"},
    {"-9223372036854775808", "-9223372036854775808"},
    {"9223372036854775808", "9223372036854775808"},
    {"18446744073709551615", "18446744073709551615"},
    {"18446744073709551616", "18446744073709551616.0"},
    {"-9223372036854775809", "-9223372036854775808.0"},
    {"0.1", "0.1"},
    {"1.5e3", "1500.0"},
    {"1E+2", "100.0"},
    {"1e-2", "0.01"},
    {"0e99999999999999999999", "0.0"},
    {"-0.0e99999999999999999999", "-0.0"},
    {"1.7976931348623157e308", "1.7976931348623157e+308"},
    {"5e-324", "5e-324"},
    {"1e-400", "0.0"},
    {"-1e-99999999999999999999", "-0.0"},
    {"0.00000000000000000000000000000000000000001e40", "0.1"},
    {"1767323045.678", "1767323045.678"},
    {R"("")", R"("")"},
    {R"("\u0000")", R"("\u0000")"},
    {R"("\"\\\/\b\f\n\r\t")", R"("\"\\/\b\f\n\r\t")"},
    {R"("\u00e9\u20AC\uD83D\uDe00")", "\"\u00e9\u20ac\U0001F600\""},
    {"\"\u00e9\u20ac\U0001F600\"", "\"\u00e9\u20ac\U0001F600\""},
    {"\"\x7f\"", "\"\x7f\""},
    {R"("\u001f\u007F")", "\"\\u001f\x7f\""},
    {R"("eight by eight plain bytes, then \u0041")", R"("eight by eight plain bytes, then A")"},
};

TEST(Json, AcceptsWhatTheGrammarAllows) {
  for (const auto& [text, printed] : accepted) {
    EXPECT_EQ(refusal(text), std::error_code()) << text;
    EXPECT_EQ(round_trip(text), printed) << text;
    EXPECT_EQ(round_trip(round_trip(text)), round_trip(text)) << text;
  }
}

// What must be refused, and why.
struct Refused {
  std::string_view text;
  ParseError reason = ParseError::bad_syntax;
};
using namespace std::string_view_literals;
constexpr Refused refused[] = {
    {""},
    {" "},
    {"\0"sv},
    {"{}\0"sv},
    {"\0{}"sv},
    {"\v{}"},
    {"{}\f"},
    {"\u00a0{}"},
    {"\ufeff{}"},
    {"nul"},
    {"nulll"},
    {"True"},
    {"truE"},
    {"undefined"},
    {"NaN"},
    {"-NaN"},
    {"Infinity"},
    {"-Infinity"},
    {"inf"},
    {"-"},
    {"--1"},
    {"+1"},
    {"01"},
    {"-01"},
    {"00"},
    {"1."},
    {"1.e1"},
    {".5"},
    {"-.5"},
    {"1e"},
    {"1e+"},
    {"1e-"},
    {"1e+-1"},
    {"0x10"},
    {"1_000"},
    {"1,000"},
    {"1 2"},
    {"1a"},
    {"1.2.3"},
    {"\uff11"},
    {"["},
    {"]"},
    {"[1"},
    {"[1,"},
    {"[1,]"},
    {"[,1]"},
    {"[,]"},
    {"[1,,2]"},
    {"[1 2]"},
    {"[1:2]"},
    {"[1}"},
    {"{1]"},
    {"[]]"},
    {"[[]"},
    {"{"},
    {"}"},
    {"{]"},
    {"{\"a\""},
    {"{\"a\":"},
    {"{\"a\":1"},
    {"{\"a\":1,"},
    {"{\"a\":1,}"},
    {"{,\"a\":1}"},
    {"{\"a\" 1}"},
    {"{\"a\",1}"},
    {"{\"a\"::1}"},
    {"{a:1}"},
    {"{1:1}"},
    {"{null:1}"},
    {"{'a':1}"},
    {"{\"a\":1;\"b\":2}"},
    {"{\"a\":1 \"b\":2}"},
    {"{\"a\":}"},
    {"{:1}"},
    {"{\"a\"}"},
    {"{[]:1}"},
    {"{}{}"},
    {"{}[]"},
    {"{},"},
    {"// no\n{}"},
    {"{/**/}"},
    {"{}#"},
    {"'a'"},
    {"\""},
    {"\"a"},
    {"\"\\\""},
    {"\"\\"},
    {"\"\n\""},
    {"\"\t\""},
    {"\"\r\""},
    {"\"\0\""sv},
    {"\"\x1f\""},
    {"\"long enough to be read by words\x01\""},
    {R"("\a")"},
    {R"("\'")"},
    {R"("\0")"},
    {R"("\x41")"},
    {R"("\U0041")"},
    {R"("\u")"},
    {R"("\u1")"},
    {R"("\u12")"},
    {R"("\u123")"},
    {R"("\u12g4")"},
    {R"("\u-123")"},
    {R"("\u+123")"},
    {R"("\u 123")"},
    {R"("\u0x41")"},
    {R"("\u123)"},
    {R"("\ud83d\u12")"},
    {"*"},
    {"<xml/>"},
    {"[\"a\"\"b\"]"},
    {"\u00e9"},
    {"[\u00e9]"},
    {"{\"a\":1}\u00e9"},

    {"1e309", ParseError::number_out_of_range},
    {"-1e309", ParseError::number_out_of_range},
    {"[1e999]", ParseError::number_out_of_range},
    {"1e99999999999999999999", ParseError::number_out_of_range},
    {"0.0001e99999999999999999999", ParseError::number_out_of_range},
    {"1.8e308", ParseError::number_out_of_range},

    {R"("\ud800")", ParseError::bad_utf8},
    {R"("\udfff")", ParseError::bad_utf8},
    {R"("\ud800x")", ParseError::bad_utf8},
    {R"("\ud800\n")", ParseError::bad_utf8},
    {R"("\ud800\u0041")", ParseError::bad_utf8},
    {R"("\ud800\ud800")", ParseError::bad_utf8},
    {R"({"\udc00":1})", ParseError::bad_utf8},
    {"\"\x80\"", ParseError::bad_utf8},
    {"\"\xff\"", ParseError::bad_utf8},
    {"\"\xc3\"", ParseError::bad_utf8},
    {"\"\xc3\\u0041\"", ParseError::bad_utf8},
    {"\"\xc0\x80\"", ParseError::bad_utf8},
    {"\"\xe0\x80\x80\"", ParseError::bad_utf8},
    {"\"\xed\xa0\x80\"", ParseError::bad_utf8},
    {"\"\xf4\x90\x80\x80\"", ParseError::bad_utf8},
    {"\"\xf0\x9f\x98\"", ParseError::bad_utf8},
    {"{\"\xff\":1}", ParseError::bad_utf8},
    {"[\xff]", ParseError::bad_utf8},

    {R"({"a":1,"a":1})", ParseError::duplicate_field},
    {R"({"":1,"":1})", ParseError::duplicate_field},
    {R"({"a":1,"b":{"a":1},"a":2})", ParseError::duplicate_field},
    {R"([{"x":{"a":1,"\u0061":2}}])", ParseError::duplicate_field},
    {"{\"\u00e9\":1,\"\\u00E9\":2}", ParseError::duplicate_field},
    {R"({"a":{"k":1,"k":1}})", ParseError::duplicate_field},
};

TEST(Json, RefusesEverythingElseAndSaysWhy) {
  for (const auto& [text, reason] : refused)
    EXPECT_EQ(refusal(text), make_error_code(reason)) << text;
}

TEST(Json, RefusesEveryPrefixOfADocument) {
  const std::string text =
      "{\"a\":[1,-2.5e+3,true,false,null,{\"b\\u00e9\\ud83d\\ude00\":\"\u20ac\"}]}";
  ASSERT_EQ(refusal(text), std::error_code());
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_NE(refusal(text.substr(0, size)), std::error_code()) << text.substr(0, size);
}

TEST(Json, SaysWhere) {
  EXPECT_EQ(parse("[1,\n 2,x]", {}).error().context, "at byte 7");
  EXPECT_EQ(parse("[1", {}).error().context, "at the end");
  EXPECT_EQ(parse(R"({"a\n":1,"a\u000a":2})", {}).error().context, R"("a\n")");
  EXPECT_THAT(parse("[1]", {.bytes_max = 2}).error().context, HasSubstr("3 bytes"));
}

TEST(Json, KeepsItsLimits) {
  EXPECT_EQ(refusal("[10]", {.bytes_max = 4}), std::error_code());
  EXPECT_EQ(refusal("[100]", {.bytes_max = 4}), make_error_code(ParseError::too_large));
  EXPECT_EQ(refusal("[[]]", {.depth_max = 2}), std::error_code());
  EXPECT_EQ(refusal("[[[]]]", {.depth_max = 2}), make_error_code(ParseError::too_deep));
  EXPECT_EQ(refusal(R"({"a":{"a":{}}})", {.depth_max = 2}), make_error_code(ParseError::too_deep));
  EXPECT_EQ(refusal("1", {.depth_max = 0}), std::error_code());
  const std::string deepest = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(refusal(deepest), std::error_code());
  EXPECT_EQ(refusal("[" + deepest + "]"), make_error_code(ParseError::too_deep));
}

TEST(Json, FindsDuplicatesAmongManyKeys) {
  std::string text = "{";
  for (int i = 0; i < 50'000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_EQ(refusal(text + "\"last\":0}"), std::error_code());
  EXPECT_EQ(refusal(text + "\"k25000\":0}"), make_error_code(ParseError::duplicate_field));
}

TEST(Json, ObjectsKeepTheOrderOfTheirMembers) {
  EXPECT_EQ(round_trip(R"({"z":1,"a":2,"m":3})"), R"({"z":1,"a":2,"m":3})");
}

TEST(Json, EveryDoublePrintsBackToItself) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    const auto back = parse(encode(Value(value)), {});
    ASSERT_TRUE(back);
    ASSERT_TRUE(back->is_double());
    EXPECT_EQ(std::bit_cast<std::uint64_t>(back->get_double()),
              std::bit_cast<std::uint64_t>(value));
  }
}

TEST(Json, PrintsNoInfinity) {
  EXPECT_EQ(encode(Array{std::numeric_limits<double>::infinity(), std::nan("")}), "[null,null]");
}

TEST(Json, AnObjectIsAskedForAndNothingElse) {
  EXPECT_TRUE(parse_object(" {} ", {}));
  for (const char* const other : {"[]", "1", "null", "\"{}\""})
    EXPECT_EQ(parse_object(other, {}).error().code, ParseError::bad_value) << other;
  EXPECT_EQ(parse_object("{", {}).error().code, ParseError::bad_syntax);
}

TEST(Json, QuotesAnyText) {
  EXPECT_EQ(quote("a\"b\\c\x01\n"), R"("a\"b\\c\u0001\n")");
  EXPECT_EQ(quote(""), "\"\"");
  EXPECT_EQ(quote("\u00e9"), "\"\u00e9\"");
}

TEST(Json, MembersAreSlicesOfTheText) {
  const std::string text = R"( { "a" : {"x": [1, 2]} , "b\u0021": "}" ,"c":-1e3} )";
  const auto found = members(text);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].key, "a");
  EXPECT_EQ(found[0].value, R"({"x": [1, 2]})");
  EXPECT_EQ(found[1].key, "b!");
  EXPECT_EQ(found[1].value, R"("}")");
  EXPECT_EQ(found[2].value, "-1e3");
  EXPECT_GE(found[0].value.data(), text.data());
  EXPECT_LT(found[0].value.data(), text.data() + text.size());

  EXPECT_EQ(member(text, "c"), "-1e3");
  EXPECT_EQ(member(text, "b!"), R"("}")");
  EXPECT_EQ(member(text, "x"), std::nullopt);
  EXPECT_TRUE(members("{}").empty());
}

TEST(JsonReader, TakesAnEnvelopeApartInOnePass) {
  Reader reader(R"({"type":"send","payload":{"to":"b","message":{"a":[1]}},"more":null})", {});
  std::vector<std::string> seen;
  ASSERT_TRUE(reader.enter_object());
  while (reader.next_member()) {
    if (reader.key() != "payload") {
      seen.emplace_back(reader.skip());
      continue;
    }
    ASSERT_TRUE(reader.enter_object());
    while (reader.next_member())
      seen.emplace_back(std::string(reader.key()) + "=" + std::string(reader.skip()));
  }
  EXPECT_TRUE(reader.finish());
  EXPECT_THAT(seen, ElementsAre("\"send\"", "to=\"b\"", "message={\"a\":[1]}", "null"));
}

TEST(JsonReader, TheFirstProblemEndsEveryLoop) {
  Reader reader(R"([[1,x],[2]])", {});
  ASSERT_TRUE(reader.enter_array());
  ASSERT_TRUE(reader.next_element());
  EXPECT_EQ(reader.skip(), "");
  EXPECT_FALSE(reader.next_element());
  EXPECT_FALSE(reader.enter_array());
  EXPECT_EQ(reader.skip(), "");
  EXPECT_EQ(reader.finish().error().context, "at byte 4");
}

TEST(JsonReader, RefusesToEnterAnotherKind) {
  Reader reader("[]", {});
  EXPECT_FALSE(reader.enter_object());
  EXPECT_FALSE(reader.finish());
}

}  // namespace
}  // namespace chatixia::json
