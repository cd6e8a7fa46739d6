#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/limits.hpp"
#include "base/parse_error.hpp"
#include "base/result.hpp"

namespace chatixia::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;

struct Limits {
  std::size_t bytes_max = limits::http_body_bytes_max;
  std::size_t depth_max = limits::json_depth_max;
};

// Strict RFC 8259: one value, valid UTF-8, no duplicate keys, finite numbers, nothing behind it.
Result<Value> parse(std::string_view text, const Limits& limits);
// The same, and the value must be an object.
Result<Object> parse_object(std::string_view text, const Limits& limits);
// The same checks as parse() without building a value.
Result<void> validate(std::string_view text, const Limits& limits);

// Compact, and always valid UTF-8 if the strings in it are.
std::string encode(const Value& value);
// The text with quotes, escaped.
std::string quote(std::string_view text);

// The members of an object as slices of its text, for envelopes whose letter stays the bytes it
// came in. `object` has passed validate() and is an object; keys are unescaped.
struct Member {
  std::string key;
  std::string_view value;
};
std::vector<Member> members(std::string_view object);
// The slice of one member; nothing when it is absent.
std::optional<std::string_view> member(std::string_view object, std::string_view key);

// Reads members of an object and remembers the first problem, so a parser checks once at the
// end. Absent and null are the same, as 0.4 peers send both.
class ObjectReader {
 public:
  explicit ObjectReader(const Object& object) : object_(&object) {}

  std::string text(std::string_view key, std::size_t bytes_max = limits::id_bytes_max);
  std::string text_or(std::string_view key, std::string_view fallback,
                      std::size_t bytes_max = limits::id_bytes_max);
  std::optional<std::string> optional_text(std::string_view key,
                                           std::size_t bytes_max = limits::id_bytes_max);
  std::int64_t integer_or(std::string_view key, std::int64_t fallback, std::int64_t low,
                          std::int64_t high);
  double number_or(std::string_view key, double fallback, double low, double high);
  bool boolean_or(std::string_view key, bool fallback);
  std::vector<std::string> texts_or_empty(std::string_view key, std::size_t count_max,
                                          std::size_t bytes_max = limits::id_bytes_max);
  // A copy of the member, null when absent.
  Value value_or_null(std::string_view key) const;
  const Object* object_or_null(std::string_view key);

  // The first problem: which field, and what is wrong with it.
  const std::optional<Error>& error() const { return error_; }

 private:
  const Value* find(std::string_view key) const;
  void refuse(ParseError problem, std::string_view key);

  const Object* object_;
  std::optional<Error> error_;
};

}  // namespace chatixia::json
