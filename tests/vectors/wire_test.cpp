#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/errors.hpp"
#include "vectors/wire_kinds.hpp"

namespace chatixia::vectors {
namespace {

json::Array load(const std::string& name) {
  std::ifstream file(CHATIXIA_VECTORS_DIR "/" + name);
  std::stringstream text;
  text << file.rdbuf();
  auto value = json::parse(text.str(), {});
  EXPECT_TRUE(value) << name << ": " << (value ? "" : value.error().message());
  return value ? std::move(value->get_array()) : json::Array();
}

std::string text_of(const json::Object& object, std::string_view key) {
  return std::string(object.at(key).get_string());
}

// Numbers are the same when their values are: 300 and 300.0 are one ttl.
bool same(const json::Value& a, const json::Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_double() || b.is_double()) return a.to_number<double>() == b.to_number<double>();
    return a == b;
  }
  if (a.kind() != b.kind()) return false;
  if (a.is_array()) {
    const auto& x = a.get_array();
    const auto& y = b.get_array();
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), same);
  }
  if (a.is_object()) {
    if (a.get_object().size() != b.get_object().size()) return false;
    for (const auto& member : a.get_object()) {
      const json::Value* const other = b.get_object().if_contains(member.key());
      if (!other || !same(member.value(), *other)) return false;
    }
    return true;
  }
  return a == b;
}

std::string from_base64(std::string_view text) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<unsigned>(alphabet.find(c));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return out;
}

std::string input_of(const json::Object& vector) {
  if (vector.contains("text")) return text_of(vector, "text");
  if (vector.contains("text_base64")) return from_base64(text_of(vector, "text_base64"));
  std::string input;
  for (const json::Value& part : vector.at("generate").get_array()) {
    const auto& piece = part.get_array();
    for (std::int64_t i = 0; i < piece.at(1).get_int64(); ++i)
      input.append(piece.at(0).get_string().data(), piece.at(0).get_string().size());
  }
  return input;
}

class ValidVectors : public testing::TestWithParam<const char*> {};

TEST_P(ValidVectors, ReadAndPrintAsWritten) {
  const json::Array vectors = load(GetParam());
  ASSERT_FALSE(vectors.empty());
  for (const json::Value& entry : vectors) {
    const json::Object& vector = entry.get_object();
    SCOPED_TRACE(text_of(vector, "name"));
    const Reader& read = readers().at(text_of(vector, "kind"));
    const std::string text = text_of(vector, "text");
    const auto reading = read(text);
    ASSERT_TRUE(reading) << reading.error().error;
    EXPECT_TRUE(same(reading->value, vector.at("value"))) << json::encode(reading->value) << "\n"
                                                          << json::encode(vector.at("value"));

    const json::Value* const canonical = vector.if_contains("canonical");
    if (canonical && canonical->is_null()) {
      EXPECT_FALSE(reading->canonical);
      continue;
    }
    ASSERT_TRUE(reading->canonical);
    EXPECT_EQ(*reading->canonical, canonical ? std::string(canonical->get_string()) : text);
    const auto again = read(*reading->canonical);
    ASSERT_TRUE(again) << again.error().error;
    EXPECT_TRUE(same(again->value, reading->value)) << json::encode(again->value);
  }
}

INSTANTIATE_TEST_SUITE_P(Wire, ValidVectors,
                         testing::Values("signaling.json", "mesh_messages.json", "ipc.json",
                                         "registry_api.json"),
                         [](const auto& instance) {
                           const std::string file = instance.param;
                           return file.substr(0, file.find('.'));
                         });

TEST(InvalidVectors, AreRefusedForTheRightReason) {
  const json::Array vectors = load("invalid.json");
  ASSERT_FALSE(vectors.empty());
  for (const json::Value& entry : vectors) {
    const json::Object& vector = entry.get_object();
    SCOPED_TRACE(text_of(vector, "name"));
    const auto reading = readers().at(text_of(vector, "kind"))(input_of(vector));
    ASSERT_FALSE(reading) << json::encode(reading->value).substr(0, 200);
    EXPECT_EQ(reading.error().error, text_of(vector, "error"));
    if (const json::Value* const id = vector.if_contains("id")) EXPECT_EQ(reading.error().id, *id);
  }
}

TEST(Vectors, CoverEveryKind) {
  std::set<std::string> valid;
  std::set<std::string> names;
  for (const char* const file :
       {"signaling.json", "mesh_messages.json", "ipc.json", "registry_api.json", "invalid.json"}) {
    for (const json::Value& entry : load(file)) {
      const json::Object& vector = entry.get_object();
      if (std::string_view(file) != "invalid.json") valid.insert(text_of(vector, "kind"));
      EXPECT_TRUE(names.insert(file + text_of(vector, "name")).second) << text_of(vector, "name");
    }
  }
  for (const auto& [kind, reader] : readers())
    if (kind != "json") EXPECT_THAT(valid, testing::Contains(kind));
}

TEST(ErrorVectors, AreTheTableOfCodes) {
  json::Array table;
  for (const protocol::ErrorCode& row : protocol::error_codes())
    table.push_back(json::Object{{"code", row.code},
                                 {"http_status", row.http_status},
                                 {"message", row.message},
                                 {"hint", row.hint}});
  EXPECT_EQ(json::encode(table), json::encode(load("errors.json")));
}

}  // namespace
}  // namespace chatixia::vectors
