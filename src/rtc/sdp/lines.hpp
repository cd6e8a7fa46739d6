#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "base/parse_error.hpp"

namespace chatixia::rtc::sdp {

// One "t=value" line: RFC 8866, section 5.
struct Line {
  char type = 0;
  std::string_view value;
};

// Walks the lines of an SDP; views into its text.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  std::expected<Line, ParseError> next();

 private:
  std::string_view rest_;
};

// Takes what stands before `delimiter` from `text`, and the delimiter.
std::string_view take_until(std::string_view& text, char delimiter);

// Digits only, the whole text.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max);

// RFC 8866, section 9: token.
bool is_token(std::string_view text, std::size_t size_max);

// RFC 8839, section 5.4: so many ice-chars.
bool is_ice_text(std::string_view text, std::size_t size_min, std::size_t size_max);

}  // namespace chatixia::rtc::sdp
