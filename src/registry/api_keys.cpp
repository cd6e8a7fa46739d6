#include "registry/api_keys.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/utf8.hpp"
#include "crypto/encoding.hpp"
#include "json/json.hpp"
#include "registry/errc.hpp"

namespace chatixia::registry {
namespace {

constexpr json::Limits file_limits{.bytes_max = ApiKeys::file_bytes_max, .depth_max = 8};
constexpr std::size_t key_bytes_max = 256;

const json::Object* keys_of(const json::Object& file) {
  const json::Value* keys = file.if_contains("keys");
  return keys != nullptr ? keys->if_object() : &file;
}

Result<Principal> parse_entry(const json::Value& value) {
  const json::Object* object = value.if_object();
  if (object == nullptr) return fail(Errc::bad_configuration, "is not an object");
  json::ObjectReader reader(*object);
  const std::string peer = reader.text("peer_id");
  const std::string role_text = reader.text_or("role", role_name(Role::agent));
  if (reader.error()) return fail(Errc::bad_configuration, reader.error()->message());
  if (!is_valid_id(peer)) return fail(Errc::bad_configuration, "has no usable peer_id");
  const auto role = parse_role(role_text);
  if (!role)
    return fail(Errc::bad_configuration,
                "has an unknown role; known are admin, operator, agent and viewer");
  return Principal{.peer = PeerId(peer), .role = *role};
}

}  // namespace

Result<ApiKeys> ApiKeys::parse(std::string_view text) {
  const auto file = json::parse_object(text, file_limits);
  if (!file) return fail(Errc::bad_configuration, file.error().message());
  const json::Object* entries = keys_of(*file);
  if (entries == nullptr) return fail(Errc::bad_configuration, "\"keys\" is not an object");
  if (entries->size() > keys_max) return fail(Errc::bad_configuration, "too many keys");

  ApiKeys keys;
  std::size_t count = 0;
  for (const auto& [key, value] : *entries) {
    ++count;
    auto principal = parse_entry(value);
    if (!principal)
      return fail(Errc::bad_configuration,
                  fmt::format("entry {} {}", count, principal.error().context));
    if (key.empty() || key.size() > key_bytes_max)
      return fail(Errc::bad_configuration, fmt::format("entry {} has no usable key", count));
    keys.peers_.insert(principal->peer);
    keys.keys_.emplace(crypto::sha256(as_bytes(std::string_view(key))), *std::move(principal));
  }
  return keys;
}

std::optional<Principal> ApiKeys::find(std::string_view key) const {
  if (key.empty() || key.size() > key_bytes_max) return std::nullopt;
  // The search sees the hash alone, which whoever asks cannot steer byte by byte.
  const crypto::Sha256 hash = crypto::sha256(as_bytes(key));
  const auto found = keys_.lower_bound(hash);
  if (found == keys_.end() || !crypto::equal_in_constant_time(found->first, hash))
    return std::nullopt;
  return found->second;
}

std::string make_api_key(RandomSource& random) {
  return "ak_" + crypto::to_hex(random.bytes(16));
}

Result<std::string> with_key(std::string_view text, std::string_view key,
                             const Principal& principal) {
  json::Object file;
  if (text.empty()) {
    file.emplace("keys", json::Object{});
  } else {
    // The whole file must be sound before it is written again.
    if (const auto keys = ApiKeys::parse(text); !keys) return std::unexpected(keys.error());
    auto parsed = json::parse_object(text, file_limits);
    if (!parsed) return std::unexpected(parsed.error());
    file = *std::move(parsed);
  }
  json::Value* inner = file.if_contains("keys");
  json::Object& keys = inner != nullptr ? inner->as_object() : file;
  if (keys.size() >= ApiKeys::keys_max) return fail(Errc::full, "too many keys");
  keys[key] =
      json::Object{{"peer_id", principal.peer.value()}, {"role", role_name(principal.role)}};
  return json::encode(file) + "\n";
}

bool is_valid_id(std::string_view id) {
  if (id.empty() || id.size() > limits::id_bytes_max || !is_utf8(id)) return false;
  return std::ranges::none_of(
      id, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace chatixia::registry
