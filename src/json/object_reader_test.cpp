#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json/json.hpp"

namespace chatixia::json {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Object object = *parse_object(
    R"({"text":"abc","null":null,"int":7,"whole":8000.0,"half":0.5,"huge":1e300,
        "big":18446744073709551615,"yes":true,"list":["a","b"],"mixed":["a",1],"object":{"k":1}})",
    {});

// Reads with `read` and gives the reason why that was refused.
template <class Read>
std::pair<std::error_code, std::string> problem(Read read) {
  ObjectReader reader(object);
  read(reader);
  if (!reader.error()) return {};
  return {reader.error()->code, reader.error()->context};
}

std::pair<std::error_code, std::string> is(ParseError code, std::string context) {
  return {code, std::move(context)};
}

TEST(ObjectReader, ReadsWhatIsThere) {
  ObjectReader reader(object);
  EXPECT_EQ(reader.text("text"), "abc");
  EXPECT_EQ(reader.text_or("text", "x"), "abc");
  EXPECT_EQ(reader.optional_text("text"), "abc");
  EXPECT_EQ(reader.integer_or("int", 1, 0, 7), 7);
  EXPECT_EQ(reader.integer_or("whole", 1, 0, 9000), 8000);
  EXPECT_EQ(reader.number_or("half", 1, 0, 1), 0.5);
  EXPECT_EQ(reader.number_or("int", 1, 0, 10), 7.0);
  EXPECT_TRUE(reader.boolean_or("yes", false));
  EXPECT_THAT(reader.texts_or_empty("list", 2), ElementsAre("a", "b"));
  EXPECT_EQ(reader.value_or_null("half"), Value(0.5));
  ASSERT_NE(reader.object_or_null("object"), nullptr);
  EXPECT_FALSE(reader.error());
}

TEST(ObjectReader, AbsentAndNullAreTheSame) {
  for (const char* const key : {"absent", "null"}) {
    ObjectReader reader(object);
    EXPECT_EQ(reader.text_or(key, "x"), "x");
    EXPECT_EQ(reader.optional_text(key), std::nullopt);
    EXPECT_EQ(reader.integer_or(key, 5, 0, 1), 5);
    EXPECT_EQ(reader.number_or(key, 5, 0, 1), 5.0);
    EXPECT_TRUE(reader.boolean_or(key, true));
    EXPECT_THAT(reader.texts_or_empty(key, 1), IsEmpty());
    EXPECT_TRUE(reader.value_or_null(key).is_null());
    EXPECT_EQ(reader.object_or_null(key), nullptr);
    EXPECT_FALSE(reader.error());
    EXPECT_EQ(reader.text(key), "");
    ASSERT_TRUE(reader.error());
    EXPECT_EQ(reader.error()->code, ParseError::missing_field);
  }
}

TEST(ObjectReader, RefusesAnotherKindOfValue) {
  using R = ObjectReader;
  EXPECT_EQ(problem([](R& r) { r.text("int"); }), is(ParseError::bad_value, "\"int\""));
  EXPECT_EQ(problem([](R& r) { r.text_or("list", ""); }), is(ParseError::bad_value, "\"list\""));
  EXPECT_EQ(problem([](R& r) { r.integer_or("text", 0, 0, 1); }),
            is(ParseError::bad_value, "\"text\""));
  EXPECT_EQ(problem([](R& r) { r.integer_or("half", 0, 0, 1); }),
            is(ParseError::bad_value, "\"half\""));
  EXPECT_EQ(problem([](R& r) { r.integer_or("yes", 0, 0, 1); }),
            is(ParseError::bad_value, "\"yes\""));
  EXPECT_EQ(problem([](R& r) { r.number_or("text", 0, 0, 1); }),
            is(ParseError::bad_value, "\"text\""));
  EXPECT_EQ(problem([](R& r) { r.boolean_or("int", false); }),
            is(ParseError::bad_value, "\"int\""));
  EXPECT_EQ(problem([](R& r) { r.texts_or_empty("text", 9); }),
            is(ParseError::bad_value, "\"text\""));
  EXPECT_EQ(problem([](R& r) { r.texts_or_empty("mixed", 9); }),
            is(ParseError::bad_value, "\"mixed\""));
  EXPECT_EQ(problem([](R& r) { r.object_or_null("list"); }), is(ParseError::bad_value, "\"list\""));
}

TEST(ObjectReader, RefusesWhatIsOutOfBounds) {
  using R = ObjectReader;
  EXPECT_EQ(problem([](R& r) { r.text("text", 2); }), is(ParseError::too_large, "\"text\""));
  EXPECT_EQ(problem([](R& r) { r.texts_or_empty("list", 1); }),
            is(ParseError::too_large, "\"list\""));
  EXPECT_EQ(problem([](R& r) { r.texts_or_empty("list", 9, 0); }),
            is(ParseError::too_large, "\"list\""));
  for (const char* const key : {"huge", "big"})
    EXPECT_EQ(problem([&](R& r) { r.integer_or(key, 0, 0, 1'000'000); }).first,
              make_error_code(ParseError::number_out_of_range));
  EXPECT_EQ(problem([](R& r) { r.integer_or("int", 0, 8, 9); }),
            is(ParseError::number_out_of_range, "\"int\""));
  EXPECT_EQ(problem([](R& r) { r.integer_or("int", 0, 0, 6); }),
            is(ParseError::number_out_of_range, "\"int\""));
  EXPECT_EQ(problem([](R& r) { r.number_or("half", 0, 0.6, 1); }),
            is(ParseError::number_out_of_range, "\"half\""));
}

TEST(ObjectReader, RemembersTheFirstProblem) {
  ObjectReader reader(object);
  reader.text("absent");
  reader.text("int");
  EXPECT_EQ(reader.error()->code, ParseError::missing_field);
  EXPECT_EQ(reader.error()->context, "\"absent\"");
}

}  // namespace
}  // namespace chatixia::json
