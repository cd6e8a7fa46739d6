#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/random.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "registry/api_keys.hpp"

namespace chatixia::registry {

// The keys of a file, read again when the file has changed.
class KeyFile {
 public:
  // How soon a key that was taken out is refused.
  static constexpr Duration look_every = std::chrono::seconds(1);

  [[nodiscard]] static Result<KeyFile> open(std::string path, Instant now);

  // The keys as the file has them, or had them when it was last sound: a broken edit is logged
  // and takes nobody's access away.
  const ApiKeys& keys(Instant now);
  // Whom a key speaks for; a key that was just added is known at once.
  std::optional<Principal> find(Instant now, std::string_view key);
  const std::string& path() const { return path_; }

 private:
  // What tells one state of a file from another.
  struct Signature {
    unsigned long inode = 0;
    long size = 0;
    long seconds = 0;
    long nanoseconds = 0;
    bool operator==(const Signature&) const = default;
  };
  explicit KeyFile(std::string path) : path_(std::move(path)) {}
  static Signature signature_of(const std::string& path);
  void look(Instant now);
  Result<void> read();

  std::string path_;
  ApiKeys keys_;
  Signature signature_;
  Instant looked_at_;
};

// Makes a key for the principal and adds it to the file, which may be missing. The key is shown
// by the caller and kept nowhere else.
[[nodiscard]] Result<std::string> add_key(const std::string& path, const Principal& principal,
                                          RandomSource& random);

}  // namespace chatixia::registry
