#include "json/reader.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "base/utf8.hpp"

namespace chatixia::json {
namespace {

constexpr std::uint64_t ones = 0x0101010101010101;
constexpr std::uint64_t tops = 0x8080808080808080;

// Not zero when one of the eight bytes ends a run of plain string bytes: a quote, a backslash or
// a control character.
constexpr std::uint64_t run_ends(std::uint64_t word) {
  const std::uint64_t quote = word ^ ones * '"';
  const std::uint64_t backslash = word ^ ones * '\\';
  return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
          ((word - ones * 0x20) & ~word)) &
         tops;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::uint32_t hex_at(const char* at) {
  std::uint32_t value = 0;
  std::from_chars(at, at + 4, value, 16);
  return value;
}

// The power of ten above the first digit that counts, of a number that passed number().
std::int64_t magnitude(std::string_view slice) {
  constexpr std::int64_t far = 1'000'000'000;
  const std::size_t mark = std::min(slice.find_first_of("eE"), slice.size());
  const std::string_view digits = slice.substr(0, mark);
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const std::size_t first = std::min(digits.find_first_of("123456789"), digits.size());
  // Between point and first digit lies the point itself when the digit is behind it.
  const auto position =
      static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first) + (first > point ? 1 : 0);
  if (mark == slice.size()) return position;

  std::string_view power = slice.substr(mark + 1);
  const bool negative = power[0] == '-';
  if (negative || power[0] == '+') power.remove_prefix(1);
  std::int64_t exponent = 0;
  if (std::from_chars(power.data(), power.data() + power.size(), exponent).ec != std::errc() ||
      exponent > far)
    exponent = far;
  return position + (negative ? -exponent : exponent);
}

// The value, or nothing when it is too large for a double. What is too small becomes zero.
std::optional<double> to_double(std::string_view slice) {
  double value = 0;
  const auto [end, error] = std::from_chars(slice.data(), slice.data() + slice.size(), value);
  if (error == std::errc()) return value;
  // from_chars does not say on which side the number fell off.
  if (magnitude(slice) > 0) return std::nullopt;
  return slice[0] == '-' ? -0.0 : 0.0;
}

}  // namespace

Reader::Reader(std::string_view text, const Limits& limits)
    : begin_(text.data()),
      end_(text.data() + text.size()),
      at_(text.data()),
      depth_max_(limits.depth_max) {
  if (text.size() > limits.bytes_max)
    refuse(ParseError::too_large,
           fmt::format("{} bytes, at most {} are allowed", text.size(), limits.bytes_max));
  levels_.reserve(8);
  keys_.reserve(16);
}

Reader::Kind Reader::kind() {
  space();
  if (error_ || at_ == end_) return Kind::nothing;
  switch (*at_) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::text;
    case 't':
    case 'f':
    case 'n':
      return Kind::literal;
    default:
      return *at_ == '-' || is_digit(*at_) ? Kind::number : Kind::nothing;
  }
}

bool Reader::enter_object() {
  return enter('{');
}
bool Reader::enter_array() {
  return enter('[');
}

bool Reader::enter(char bracket) {
  space();
  if (error_ || at_ == end_ || *at_ != bracket) return refuse(ParseError::bad_syntax);
  if (levels_.size() >= depth_max_) return refuse(ParseError::too_deep);
  ++at_;
  levels_.push_back({.first_key = keys_.size()});
  return true;
}

// Steps over the comma to the next member or element, or over the closing bracket.
bool Reader::next(char bracket) {
  space();
  if (error_) return false;
  if (at_ != end_ && *at_ == bracket) {
    ++at_;
    const std::size_t first = levels_.back().first_key;
    levels_.pop_back();
    if (!keys_differ(first)) return false;
    keys_.resize(first);
    return false;
  }
  if (levels_.back().started && !take(',')) return false;
  levels_.back().started = true;
  return true;
}

bool Reader::next_member() {
  return next('}') && read_key() && take(':');
}
bool Reader::next_element() {
  return next(']');
}

bool Reader::read_key() {
  space();
  if (at_ == end_ || *at_ != '"') return refuse(ParseError::bad_syntax);
  const char* const start = at_;
  const auto escaped = text();
  if (!escaped) return false;
  const std::string_view slice(start, at_);
  keys_.push_back(*escaped ? unescaped_.emplace_back(unquote(slice))
                           : slice.substr(1, slice.size() - 2));
  return true;
}

std::string_view Reader::skip() {
  const Kind next_kind = kind();
  const char* const start = at_;
  bool good = false;
  switch (next_kind) {
    case Kind::object:
      if (enter_object())
        while (next_member()) skip();
      good = ok();
      break;
    case Kind::array:
      if (enter_array())
        while (next_element()) skip();
      good = ok();
      break;
    case Kind::text:
      good = text().has_value();
      break;
    case Kind::number:
      good = number();
      break;
    case Kind::literal:
      good = literal(*at_ == 't' ? "true" : *at_ == 'f' ? "false" : "null");
      break;
    case Kind::nothing:
      good = refuse(ParseError::bad_syntax);
      break;
  }
  return good ? std::string_view(start, at_) : std::string_view();
}

Result<void> Reader::finish() {
  space();
  if (!error_ && at_ != end_) refuse(ParseError::bad_syntax);
  if (error_) return std::unexpected(*error_);
  return {};
}

void Reader::space() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
}

bool Reader::take(char expected) {
  space();
  if (error_ || at_ == end_ || *at_ != expected) return refuse(ParseError::bad_syntax);
  ++at_;
  return true;
}

std::optional<bool> Reader::text() {
  bool escaped = false;
  ++at_;
  for (;;) {
    if (!plain_run()) return std::nullopt;
    if (*at_ == '"') break;
    escaped = true;
    if (!escape()) return std::nullopt;
  }
  ++at_;
  return escaped;
}

// Stops at a quote or a backslash.
bool Reader::plain_run() {
  const char* const start = at_;
  std::uint64_t seen = 0;
  while (end_ - at_ >= 8) {
    std::uint64_t word;
    std::memcpy(&word, at_, 8);
    if (run_ends(word)) break;
    seen |= word;
    at_ += 8;
  }
  for (;; ++at_) {
    if (at_ == end_) return refuse(ParseError::bad_syntax);
    const auto byte = static_cast<unsigned char>(*at_);
    if (byte == '"' || byte == '\\') break;
    if (byte < 0x20) return refuse(ParseError::bad_syntax);
    seen |= byte;
  }
  if ((seen & tops) == 0 || is_utf8({start, at_})) return true;
  at_ = start;
  return refuse(ParseError::bad_utf8);
}

bool Reader::escape() {
  ++at_;
  if (at_ == end_) return refuse(ParseError::bad_syntax);
  if (*at_ != 'u') {
    if (std::string_view("\"\\/bfnrt").find(*at_) == std::string_view::npos)
      return refuse(ParseError::bad_syntax);
    ++at_;
    return true;
  }
  const auto first = hex4();
  if (!first) return false;
  if (*first < 0xd800 || *first > 0xdfff) return true;
  // A surrogate means something only as the first half of a pair.
  if (*first > 0xdbff || end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u')
    return refuse(ParseError::bad_utf8);
  ++at_;
  const auto second = hex4();
  if (!second) return false;
  if (*second < 0xdc00 || *second > 0xdfff) return refuse(ParseError::bad_utf8);
  return true;
}

// The four digits behind the `u` that comes next.
std::optional<unsigned> Reader::hex4() {
  unsigned value = 0;
  const char* const first = at_ + 1;
  if (end_ - first < 4 || std::from_chars(first, first + 4, value, 16).ptr != first + 4) {
    refuse(ParseError::bad_syntax);
    return std::nullopt;
  }
  at_ = first + 4;
  return value;
}

// RFC 8259, section 6.
bool Reader::number() {
  const char* const start = at_;
  if (*at_ == '-') ++at_;
  if (at_ != end_ && *at_ == '0') {
    ++at_;
  } else if (!digits()) {
    return false;
  }
  bool has_exponent = false;
  if (at_ != end_ && *at_ == '.') {
    ++at_;
    if (!digits()) return false;
  }
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    has_exponent = true;
    ++at_;
    if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    if (!digits()) return false;
  }
  const std::string_view slice(start, at_);
  if (!has_exponent && slice.size() < std::numeric_limits<double>::max_exponent10) return true;
  if (to_double(slice)) return true;
  at_ = start;
  return refuse(ParseError::number_out_of_range);
}

bool Reader::digits() {
  if (at_ == end_ || !is_digit(*at_)) return refuse(ParseError::bad_syntax);
  while (at_ != end_ && is_digit(*at_)) ++at_;
  return true;
}

bool Reader::literal(std::string_view word) {
  if (!std::string_view(at_, end_).starts_with(word)) return refuse(ParseError::bad_syntax);
  at_ += word.size();
  return true;
}

bool Reader::keys_differ(std::size_t first) {
  constexpr std::size_t few = 8;
  const auto keys = std::span(keys_).subspan(first);
  if (keys.size() > few) {
    // Sorting keeps an object of a hundred thousand keys from costing its square.
    std::ranges::sort(keys);
    const auto twice = std::ranges::adjacent_find(keys);
    return twice == keys.end() || refuse(ParseError::duplicate_field, quote(*twice));
  }
  for (std::size_t i = 1; i < keys.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (keys[i] == keys[j]) return refuse(ParseError::duplicate_field, quote(keys[i]));
  return true;
}

bool Reader::refuse(ParseError problem) {
  if (error_) return false;
  // Outside strings a byte that is not ASCII is no JSON; whether it is text decides what to say.
  if (problem == ParseError::bad_syntax && at_ != end_ && (*at_ & 0x80) != 0 &&
      !is_utf8({at_, end_}))
    problem = ParseError::bad_utf8;
  return refuse(problem, at_ == end_ ? "at the end" : fmt::format("at byte {}", at_ - begin_));
}

bool Reader::refuse(ParseError problem, std::string context) {
  if (!error_) error_ = Error{problem, std::move(context)};
  return false;
}

std::string unquote(std::string_view slice) {
  slice = slice.substr(1, slice.size() - 2);
  std::string out;
  out.reserve(slice.size());
  for (;;) {
    const std::size_t run = std::min(slice.find('\\'), slice.size());
    out.append(slice.substr(0, run));
    if (run == slice.size()) return out;
    slice.remove_prefix(run + 1);
    if (slice[0] != 'u') {
      constexpr std::string_view letters = "bfnrt";
      constexpr std::string_view meanings = "\b\f\n\r\t";
      const std::size_t letter = letters.find(slice[0]);
      out.push_back(letter == letters.npos ? slice[0] : meanings[letter]);
      slice.remove_prefix(1);
      continue;
    }
    std::uint32_t code = hex_at(slice.data() + 1);
    slice.remove_prefix(5);
    if (code >= 0xd800 && code <= 0xdbff) {
      code = 0x10000 + ((code - 0xd800) << 10) + (hex_at(slice.data() + 2) - 0xdc00);
      slice.remove_prefix(6);
    }
    append_utf8(out, code);
  }
}

Value to_number(std::string_view slice) {
  const char* const begin = slice.data();
  const char* const end = begin + slice.size();
  if (slice.find_first_of(".eE") == slice.npos) {
    std::int64_t whole = 0;
    if (std::from_chars(begin, end, whole).ec == std::errc()) return whole;
    std::uint64_t large = 0;
    if (const auto [at, error] = std::from_chars(begin, end, large);
        error == std::errc() && at == end)
      return large;
  }
  return to_double(slice).value_or(0);
}

}  // namespace chatixia::json
