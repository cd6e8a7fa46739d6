#include "registry/key_file.hpp"

#include <filesystem>
#include <utility>

#include <sys/stat.h>

#include "base/log.hpp"
#include "registry/errc.hpp"
#include "registry/private_file.hpp"

namespace chatixia::registry {
namespace {

constexpr Log log("registry");

}  // namespace

Result<KeyFile> KeyFile::open(std::string path, Instant now) {
  KeyFile file(std::move(path));
  file.looked_at_ = now;
  if (auto read = file.read(); !read) return std::unexpected(read.error());
  return file;
}

KeyFile::Signature KeyFile::signature_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {.inode = status.st_ino,
          .size = status.st_size,
          .seconds = status.st_mtim.tv_sec,
          .nanoseconds = status.st_mtim.tv_nsec};
}

Result<void> KeyFile::read() {
  // Taken first: a change while we read is seen next time.
  signature_ = signature_of(path_);
  const auto text = read_private_file(path_, ApiKeys::file_bytes_max);
  if (!text) return std::unexpected(text.error());
  auto keys = ApiKeys::parse(*text);
  if (!keys) return fail(keys.error().code, path_ + ": " + keys.error().context);
  keys_ = *std::move(keys);
  return {};
}

const ApiKeys& KeyFile::keys(Instant now) {
  if (now - looked_at_ >= look_every) look(now);
  return keys_;
}

std::optional<Principal> KeyFile::find(Instant now, std::string_view key) {
  if (auto found = keys(now).find(key)) return found;
  look(now);
  return keys_.find(key);
}

void KeyFile::look(Instant now) {
  looked_at_ = now;
  if (signature_of(path_) == signature_) return;
  if (const auto read_again = read(); !read_again)
    log.error("keys file not usable, keeping the keys of before",
              {{"path", path_}, {"reason", read_again.error().message()}});
  else
    log.info("keys read again", {{"path", path_}, {"keys", keys_.size()}});
}

Result<std::string> add_key(const std::string& path, const Principal& principal,
                            RandomSource& random) {
  if (!is_valid_id(principal.peer.value()))
    return fail(Errc::invalid, "a peer id is 1 to 256 bytes without control characters");
  const auto parent = std::filesystem::path(path).parent_path();
  const auto lock = DirectoryLock::take(parent.empty() ? "." : parent.string());
  if (!lock) return std::unexpected(lock.error());

  std::string content;
  if (is_there(path)) {
    auto text = read_private_file(path, ApiKeys::file_bytes_max);
    if (!text) return std::unexpected(text.error());
    content = *std::move(text);
  }
  std::string key = make_api_key(random);
  const auto changed = with_key(content, key, principal);
  if (!changed) return fail(changed.error().code, path + ": " + changed.error().context);
  if (auto written = write_private_file(path, *changed, IfPresent::replace); !written)
    return std::unexpected(written.error());
  return key;
}

}  // namespace chatixia::registry
