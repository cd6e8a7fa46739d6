#include "rtc/sdp/lines.hpp"

#include <algorithm>
#include <charconv>

namespace chatixia::rtc::sdp {

namespace {

// A candidate with every extension browsers know has about 200 characters.
constexpr std::size_t line_bytes_max = 4096;

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

}  // namespace

std::expected<Line, ParseError> LineReader::next() {
  std::string_view line = take_until(rest_, '\n');
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() > line_bytes_max) return std::unexpected(ParseError::too_large);
  if (line.size() < 2 || line[0] < 'a' || line[0] > 'z' || line[1] != '=' ||
      line.find('\0') != std::string_view::npos || line.find('\r') != std::string_view::npos)
    return std::unexpected(ParseError::bad_syntax);
  return Line{line[0], line.substr(2)};
}

std::string_view take_until(std::string_view& text, char delimiter) {
  const std::size_t position = text.find(delimiter);
  const std::string_view head = text.substr(0, position);
  text.remove_prefix(position == std::string_view::npos ? text.size() : position + 1);
  return head;
}

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
  std::uint64_t value = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stopped, error] = std::from_chars(begin, end, value);
  if (error != std::errc{} || stopped != end || value > max) return std::nullopt;
  return value;
}

bool is_token(std::string_view text, std::size_t size_max) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`{|}~";
  return !text.empty() && text.size() <= size_max && std::ranges::all_of(text, [&](char c) {
    return is_alphanumeric(c) || marks.find(c) != std::string_view::npos;
  });
}

bool is_ice_text(std::string_view text, std::size_t size_min, std::size_t size_max) {
  return text.size() >= size_min && text.size() <= size_max &&
         std::ranges::all_of(text,
                             [](char c) { return is_alphanumeric(c) || c == '+' || c == '/'; });
}

}  // namespace chatixia::rtc::sdp
