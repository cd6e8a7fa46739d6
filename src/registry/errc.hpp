#pragma once

#include <system_error>

#include "base/result.hpp"
#include "protocol/errors.hpp"

namespace chatixia::registry {

// Why the registry refuses.
enum class Errc {
  missing_credential = 1,
  unknown_key,
  malformed_token,
  forged_token,
  expired_token,
  forbidden,
  cross_origin,
  not_found,
  conflict,
  invalid,
  full,
  bad_configuration,
};

const std::error_category& category();

inline std::error_code make_error_code(Errc error) {
  return {static_cast<int>(error), category()};
}

// What a client is told: a code of protocol/errors.hpp, a sentence and the next step.
protocol::Problem to_problem(const Error& error);

}  // namespace chatixia::registry

template <>
struct std::is_error_code_enum<chatixia::registry::Errc> : std::true_type {};
