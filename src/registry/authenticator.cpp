#include "registry/authenticator.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

#include "registry/errc.hpp"

namespace chatixia::registry {
namespace {

// The token of an Authorization header; the scheme's case does not matter (RFC 9110, section 11.1).
std::optional<std::string_view> bearer(const net::HttpRequest& request) {
  constexpr std::string_view scheme = "bearer ";
  const std::string_view value = request.header("authorization");
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  if (value.size() < scheme.size() ||
      !std::ranges::equal(value.substr(0, scheme.size()), scheme, same))
    return std::nullopt;
  return value.substr(scheme.size());
}

}  // namespace

Result<Principal> Authenticator::identify_by_key(const Moment& now,
                                                 const net::HttpRequest& request) {
  const std::string_view key = request.header("x-api-key");
  if (key.empty() && request.headers.contains("x-device-token"))
    return fail(Errc::unknown_key, "this registry has no device tokens");
  if (key.empty()) return fail(Errc::missing_credential);
  const auto principal = keys_.find(now.instant, key);
  if (!principal) return fail(Errc::unknown_key);
  return *principal;
}

Result<Principal> Authenticator::identify(const Moment& now, const net::HttpRequest& request) {
  if (request.headers.contains("x-api-key")) return identify_by_key(now, request);
  if (const auto token = bearer(request)) return tokens_.verify(*token, now.wall);
  if (request.headers.contains("authorization"))
    return fail(Errc::malformed_token, "only Bearer is understood");
  return identify_by_key(now, request);
}

Result<Principal> Authenticator::identify_upgrade(const Moment& now,
                                                  const net::HttpRequest& request) const {
  if (const auto token = bearer(request)) return tokens_.verify(*token, now.wall);
  if (const auto token = request.parameter("token"); !token.empty())
    return tokens_.verify(token, now.wall);
  return fail(Errc::missing_credential);
}

}  // namespace chatixia::registry
