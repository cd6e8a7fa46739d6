#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"
#include "registry/principal.hpp"

namespace chatixia::registry {

// Issues and verifies the registry's tokens: JWTs (RFC 7519) signed with HS256. No other
// algorithm is ever accepted, whatever the header says (RFC 8725, section 3.1).
class Tokens {
 public:
  static constexpr Duration lifetime = std::chrono::minutes(5);
  // How far ahead the clock of another holder of the secret may be.
  static constexpr Duration skew_max = std::chrono::seconds(60);
  static constexpr std::size_t bytes_max = 4096;

  explicit Tokens(std::string secret) : secret_(std::move(secret)) {}

  std::string issue(const Principal& principal, WallTime now) const;
  // Errc::malformed_token, forged_token or expired_token.
  [[nodiscard]] Result<Principal> verify(std::string_view token, WallTime now) const;

 private:
  std::string secret_;
};

}  // namespace chatixia::registry
