#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "json/json.hpp"

namespace chatixia::json {
namespace {

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t run = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text.substr(run, i - run));
    run = i + 1;
    constexpr std::string_view special = "\"\\\b\f\n\r\t";
    constexpr std::string_view letters = "\"\\bfnrt";
    if (const std::size_t at = special.find(text[i]); at != special.npos) {
      out.push_back('\\');
      out.push_back(letters[at]);
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    }
  }
  out.append(text.substr(run));
  out.push_back('"');
}

// The shortest text that reads back as the same double; a whole one keeps its fraction, so that
// it stays a double. JSON has no word for infinity.
void append_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out.append("null");
    return;
  }
  char digits[32];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), value).ptr;
  const std::string_view text(digits, end);
  out.append(text);
  if (text.find_first_of(".e") == text.npos) out.append(".0");
}

void append_value(std::string& out, const Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      out.append("null");
      return;
    case boost::json::kind::bool_:
      out.append(value.get_bool() ? "true" : "false");
      return;
    case boost::json::kind::int64:
      fmt::format_to(std::back_inserter(out), "{}", value.get_int64());
      return;
    case boost::json::kind::uint64:
      fmt::format_to(std::back_inserter(out), "{}", value.get_uint64());
      return;
    case boost::json::kind::double_:
      append_double(out, value.get_double());
      return;
    case boost::json::kind::string:
      append_quoted(out, {value.get_string().data(), value.get_string().size()});
      return;
    case boost::json::kind::array: {
      char separator = '[';
      for (const Value& element : value.get_array()) {
        out.push_back(std::exchange(separator, ','));
        append_value(out, element);
      }
      out.append(separator == '[' ? "[]" : "]");
      return;
    }
    case boost::json::kind::object: {
      char separator = '{';
      for (const auto& member : value.get_object()) {
        out.push_back(std::exchange(separator, ','));
        append_quoted(out, {member.key().data(), member.key().size()});
        out.push_back(':');
        append_value(out, member.value());
      }
      out.append(separator == '{' ? "{}" : "}");
      return;
    }
  }
}

}  // namespace

std::string encode(const Value& value) {
  std::string out;
  append_value(out, value);
  return out;
}

std::string quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_quoted(out, text);
  return out;
}

}  // namespace chatixia::json
