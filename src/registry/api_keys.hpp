#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/random.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "registry/principal.hpp"

namespace chatixia::registry {

// The API keys of a registry and whom each of them speaks for. Only hashes stay in memory.
class ApiKeys {
 public:
  static constexpr std::size_t keys_max = 10'000;
  static constexpr std::size_t file_bytes_max = 4 * 1024 * 1024;

  // {"keys": {"ak_...": {"peer_id", "role"}}}, or the inner map alone. The error never quotes a
  // key; it counts the entries instead.
  [[nodiscard]] static Result<ApiKeys> parse(std::string_view text);

  // Finds by hash and then compares in constant time, so that time tells nothing of a key.
  std::optional<Principal> find(std::string_view key) const;
  // True if some key speaks for this peer.
  bool names(const PeerId& peer) const { return peers_.contains(peer); }
  std::size_t size() const { return keys_.size(); }

 private:
  std::map<crypto::Sha256, Principal> keys_;
  std::set<PeerId> peers_;
};

// "ak_" and 32 hexadecimal digits.
std::string make_api_key(RandomSource& random);

// The text of a keys file with one more entry, in the form that the file already has. An empty
// text makes a new file.
[[nodiscard]] Result<std::string> with_key(std::string_view text, std::string_view key,
                                           const Principal& principal);

// An id that may stand in a log line, a file and a URL: not empty, UTF-8, without control
// characters, at most limits::id_bytes_max bytes.
bool is_valid_id(std::string_view id);

}  // namespace chatixia::registry
