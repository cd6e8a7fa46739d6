#include "registry/tokens.hpp"

#include "crypto/digest.hpp"
#include "crypto/encoding.hpp"
#include "json/json.hpp"
#include "registry/errc.hpp"

namespace chatixia::registry {
namespace {

// 2100-01-01: later times in a claim are a mistake.
constexpr std::int64_t seconds_max = 4'102'444'800;

std::int64_t seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::string encode_part(const json::Object& object) {
  const std::string text = json::encode(object);
  return crypto::to_base64url(as_bytes(text));
}

Result<json::Object> decode_part(std::string_view part) {
  const auto bytes = crypto::from_base64url(part);
  if (!bytes) return fail(Errc::malformed_token);
  auto object =
      json::parse_object(as_text(*bytes), {.bytes_max = Tokens::bytes_max, .depth_max = 4});
  if (!object) return fail(Errc::malformed_token);
  return *std::move(object);
}

// The parts as RFC 7515, section 7.1 joins them.
struct Parts {
  std::string_view header, claims, signature;
  std::string_view signed_text;
};

Result<Parts> split(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (token.size() > Tokens::bytes_max || second == token.npos ||
      token.find('.', second + 1) != token.npos)
    return fail(Errc::malformed_token);
  return Parts{.header = token.substr(0, first),
               .claims = token.substr(first + 1, second - first - 1),
               .signature = token.substr(second + 1),
               .signed_text = token.substr(0, second)};
}

Result<void> check_header(std::string_view part) {
  const auto header = decode_part(part);
  if (!header) return std::unexpected(header.error());
  json::ObjectReader reader(*header);
  const std::string algorithm = reader.text("alg");
  if (reader.error()) return fail(Errc::malformed_token);
  // An extension that must be understood (RFC 7515, section 4.1.11) is not: we know none.
  if (algorithm != "HS256" || header->contains("crit"))
    return fail(Errc::forged_token, "another algorithm than HS256");
  return {};
}

}  // namespace

std::string Tokens::issue(const Principal& principal, WallTime now) const {
  const std::int64_t issued = seconds(now);
  std::string token = encode_part({{"alg", "HS256"}, {"typ", "JWT"}});
  token += '.';
  token += encode_part({{"sub", principal.peer.value()},
                        {"role", role_name(principal.role)},
                        {"iat", issued},
                        {"exp", issued + seconds(WallTime(lifetime))}});
  const auto signature = crypto::hmac_sha256(as_bytes(secret_), as_bytes(token));
  token += '.';
  token += crypto::to_base64url(signature);
  return token;
}

Result<Principal> Tokens::verify(std::string_view token, WallTime now) const {
  const auto parts = split(token);
  if (!parts) return std::unexpected(parts.error());
  if (const auto header = check_header(parts->header); !header)
    return std::unexpected(header.error());
  const auto signature = crypto::from_base64url(parts->signature);
  if (!signature) return fail(Errc::malformed_token);
  const auto expected = crypto::hmac_sha256(as_bytes(secret_), as_bytes(parts->signed_text));
  if (!crypto::equal_in_constant_time(expected, *signature)) return fail(Errc::forged_token);

  const auto claims = decode_part(parts->claims);
  if (!claims) return std::unexpected(claims.error());
  json::ObjectReader reader(*claims);
  const std::string peer = reader.text("sub");
  const auto role = parse_role(reader.text("role"));
  const std::int64_t issued = reader.integer_or("iat", -1, 0, seconds_max);
  const std::int64_t expires = reader.integer_or("exp", -1, 0, seconds_max);
  if (reader.error() || peer.empty() || !role || issued < 0 || expires < 0)
    return fail(Errc::malformed_token);
  // A token that lives longer than ours do was not made by this program.
  if (expires - issued > seconds(WallTime(lifetime)) || issued > seconds(now + skew_max))
    return fail(Errc::malformed_token, "its times are not plausible");
  if (expires <= seconds(now)) return fail(Errc::expired_token);
  return Principal{.peer = PeerId(peer), .role = *role};
}

}  // namespace chatixia::registry
