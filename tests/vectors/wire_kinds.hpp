#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "json/json.hpp"

namespace chatixia::vectors {

// One wire text after reading: every field, and what is printed for it.
struct Reading {
  json::Value value;
  std::optional<std::string> canonical;  // nothing for what is only ever read
};

// Why a text was refused, in the words of invalid.json.
struct Refusal {
  std::string error;
  json::Value id;  // of the command, null when it was not told
};

using Reader = std::function<std::expected<Reading, Refusal>(std::string_view text)>;

// The reader of each kind of vector, by the name that the files use.
const std::map<std::string, Reader, std::less<>>& readers();

}  // namespace chatixia::vectors
