#pragma once

#include <system_error>

namespace chatixia::net {

// Failures that no errno names; time-outs are std::errc::timed_out.
enum class Errc {
  name_unknown = 1,
  tls_failed,
  upgrade_refused,
  bad_request,
  bad_response,
  response_too_large,
  busy,
};

const std::error_category& category();

inline std::error_code make_error_code(Errc error) {
  return {static_cast<int>(error), category()};
}

}  // namespace chatixia::net

template <>
struct std::is_error_code_enum<chatixia::net::Errc> : std::true_type {};
