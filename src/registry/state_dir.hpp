#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.hpp"
#include "base/result.hpp"

namespace chatixia::registry {

// Reads one environment variable.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// $XDG_STATE_HOME/chatixia/registry, or ~/.local/state/chatixia/registry.
std::string default_state_dir(const Environment& environment);

// Where a registry that was not told otherwise keeps what it must not lose. Everything in it is
// made on the first start, readable by its owner alone.
class StateDir {
 public:
  static constexpr std::string_view first_peer = "admin";

  [[nodiscard]] static Result<StateDir> open(std::string path);

  const std::string& path() const { return path_; }
  std::string secret_path() const { return path_ + "/signaling.secret"; }
  std::string keys_path() const { return path_ + "/api-keys.json"; }

  // The secret that signs tokens.
  [[nodiscard]] Result<std::string> secret(RandomSource& random) const;
  // Makes a keys file with one admin key if there is none; true if it made it.
  [[nodiscard]] Result<bool> ensure_keys(RandomSource& random) const;

 private:
  explicit StateDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Refuses a secret that is short or was copied from an example.
[[nodiscard]] Result<void> check_secret(std::string_view secret);

}  // namespace chatixia::registry
