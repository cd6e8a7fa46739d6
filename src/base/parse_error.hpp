#pragma once

#include <system_error>

namespace chatixia {

// Why input from a stranger was refused. Parsers return it; they never throw or half-build.
enum class ParseError {
  truncated = 1,
  trailing_bytes,
  wrong_type,
  bad_value,
  bad_syntax,
  bad_utf8,
  too_large,
  too_deep,
  number_out_of_range,
  missing_field,
  duplicate_field,
  unsupported,
  integrity,
};

const std::error_category& parse_category();

inline std::error_code make_error_code(ParseError error) {
  return {static_cast<int>(error), parse_category()};
}

}  // namespace chatixia

template <>
struct std::is_error_code_enum<chatixia::ParseError> : std::true_type {};
