#include "base/parse_error.hpp"

namespace chatixia {
namespace {

class ParseCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "parse"; }
  std::string message(int value) const override {
    switch (static_cast<ParseError>(value)) {
      case ParseError::truncated:
        return "the input ends too early";
      case ParseError::trailing_bytes:
        return "there is more input than the message holds";
      case ParseError::wrong_type:
        return "this is another kind of message";
      case ParseError::bad_value:
        return "a field has a value that is not allowed";
      case ParseError::bad_syntax:
        return "the input is not well formed";
      case ParseError::bad_utf8:
        return "the text is not valid UTF-8";
      case ParseError::too_large:
        return "the input is larger than the limit";
      case ParseError::too_deep:
        return "the input is nested deeper than the limit";
      case ParseError::number_out_of_range:
        return "a number is out of range";
      case ParseError::missing_field:
        return "a required field is missing";
      case ParseError::duplicate_field:
        return "a field appears twice";
      case ParseError::unsupported:
        return "the input asks for something that is not supported";
      case ParseError::integrity:
        return "the integrity check failed";
    }
    return "unknown parse error";
  }
};

}  // namespace

const std::error_category& parse_category() {
  static const ParseCategory category;
  return category;
}

}  // namespace chatixia
