#include <cmath>

#include "json/json.hpp"

namespace chatixia::json {
namespace {

std::string_view view(const boost::json::string& text) {
  return {text.data(), text.size()};
}

}  // namespace

std::string ObjectReader::text(std::string_view key, std::size_t bytes_max) {
  if (!find(key)) refuse(ParseError::missing_field, key);
  return text_or(key, {}, bytes_max);
}

std::string ObjectReader::text_or(std::string_view key, std::string_view fallback,
                                  std::size_t bytes_max) {
  return optional_text(key, bytes_max).value_or(std::string(fallback));
}

std::optional<std::string> ObjectReader::optional_text(std::string_view key,
                                                       std::size_t bytes_max) {
  const Value* const value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) {
    refuse(ParseError::bad_value, key);
  } else if (value->get_string().size() > bytes_max) {
    refuse(ParseError::too_large, key);
  } else {
    return std::string(view(value->get_string()));
  }
  return std::nullopt;
}

std::int64_t ObjectReader::integer_or(std::string_view key, std::int64_t fallback, std::int64_t low,
                                      std::int64_t high) {
  const Value* const value = find(key);
  if (!value) return fallback;
  if (!value->is_number()) {
    refuse(ParseError::bad_value, key);
    return fallback;
  }
  // Some languages print every number as a fraction: 8000.0 is whole, 0.5 is not.
  if (value->is_double() && std::trunc(value->get_double()) != value->get_double()) {
    refuse(ParseError::bad_value, key);
    return fallback;
  }
  boost::json::error_code error;
  const auto whole = value->to_number<std::int64_t>(error);
  if (!error && whole >= low && whole <= high) return whole;
  refuse(ParseError::number_out_of_range, key);
  return fallback;
}

double ObjectReader::number_or(std::string_view key, double fallback, double low, double high) {
  const Value* const value = find(key);
  if (!value) return fallback;
  if (!value->is_number()) {
    refuse(ParseError::bad_value, key);
    return fallback;
  }
  const auto number = value->to_number<double>();
  if (number >= low && number <= high) return number;
  refuse(ParseError::number_out_of_range, key);
  return fallback;
}

bool ObjectReader::boolean_or(std::string_view key, bool fallback) {
  const Value* const value = find(key);
  if (!value) return fallback;
  if (value->is_bool()) return value->get_bool();
  refuse(ParseError::bad_value, key);
  return fallback;
}

std::vector<std::string> ObjectReader::texts_or_empty(std::string_view key, std::size_t count_max,
                                                      std::size_t bytes_max) {
  const Value* const value = find(key);
  if (!value) return {};
  if (!value->is_array()) {
    refuse(ParseError::bad_value, key);
    return {};
  }
  if (value->get_array().size() > count_max) {
    refuse(ParseError::too_large, key);
    return {};
  }
  std::vector<std::string> texts;
  for (const Value& element : value->get_array()) {
    if (!element.is_string()) {
      refuse(ParseError::bad_value, key);
      return {};
    }
    if (element.get_string().size() > bytes_max) {
      refuse(ParseError::too_large, key);
      return {};
    }
    texts.emplace_back(view(element.get_string()));
  }
  return texts;
}

Value ObjectReader::value_or_null(std::string_view key) const {
  const Value* const value = find(key);
  return value ? *value : Value();
}

const Object* ObjectReader::object_or_null(std::string_view key) {
  const Value* const value = find(key);
  if (!value) return nullptr;
  if (value->is_object()) return &value->get_object();
  refuse(ParseError::bad_value, key);
  return nullptr;
}

const Value* ObjectReader::find(std::string_view key) const {
  const Value* const value = object_->if_contains(key);
  return value && !value->is_null() ? value : nullptr;
}

void ObjectReader::refuse(ParseError problem, std::string_view key) {
  if (!error_) error_ = Error{problem, quote(key)};
}

}  // namespace chatixia::json
