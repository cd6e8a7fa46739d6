#include "registry/state_dir.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "crypto/encoding.hpp"
#include "registry/api_keys.hpp"
#include "registry/errc.hpp"
#include "registry/private_file.hpp"

namespace chatixia::registry {
namespace {

constexpr std::size_t secret_bytes_min = 16;
constexpr std::size_t secret_file_bytes_max = 4096;

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.pop_back();
  return text;
}

}  // namespace

std::string default_state_dir(const Environment& environment) {
  if (const auto state = environment("XDG_STATE_HOME"); state && state->starts_with('/'))
    return *state + "/chatixia/registry";
  return environment("HOME").value_or(".") + "/.local/state/chatixia/registry";
}

Result<StateDir> StateDir::open(std::string path) {
  if (auto made = make_private_directory(path); !made) return std::unexpected(made.error());
  return StateDir(std::move(path));
}

Result<std::string> StateDir::secret(RandomSource& random) const {
  const std::string path = secret_path();
  if (!is_there(path)) {
    const std::string fresh = crypto::to_hex(random.bytes(32)) + "\n";
    if (auto made = write_private_file(path, fresh, IfPresent::keep); !made)
      return std::unexpected(made.error());
  }
  // Read even when just made: of two registries that start at once, both use the first one's.
  auto text = read_private_file(path, secret_file_bytes_max);
  if (!text) return text;
  std::string secret = trimmed(*std::move(text));
  if (auto sound = check_secret(secret); !sound)
    return fail(sound.error().code, fmt::format("{}: {}", path, sound.error().context));
  return secret;
}

Result<bool> StateDir::ensure_keys(RandomSource& random) const {
  const std::string path = keys_path();
  if (is_there(path)) return false;
  const auto content = with_key("", make_api_key(random),
                                {.peer = PeerId(std::string(first_peer)), .role = Role::admin});
  if (!content) return std::unexpected(content.error());
  if (auto made = write_private_file(path, *content, IfPresent::keep); !made)
    return std::unexpected(made.error());
  return true;
}

Result<void> check_secret(std::string_view secret) {
  if (secret.size() < secret_bytes_min)
    return fail(Errc::bad_configuration,
                fmt::format("a signing secret has {} characters at least", secret_bytes_min));
  std::string lower(secret);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view placeholder :
       {"change-me", "changeme", "change_me", "change-this", "placeholder", "dev-secret",
        "your-secret", "my-secret", "secret-key", "example", "password"})
    if (lower.contains(placeholder))
      return fail(Errc::bad_configuration,
                  "the signing secret is a placeholder; leave "
                  "SIGNALING_SECRET unset and one is made");
  if (std::ranges::all_of(lower, [&](char c) { return c == lower.front(); }))
    return fail(Errc::bad_configuration, "the signing secret is one character repeated");
  return {};
}

}  // namespace chatixia::registry
