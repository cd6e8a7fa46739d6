#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/unique_fd.hpp"

// Files that hold secrets: only their owner may read them, and they change as a whole.
namespace chatixia::registry {

// Makes the directory with mode 0700, and its parents, where they are missing. Refuses one that
// is another user's (root's is fine), or that others may write to.
[[nodiscard]] Result<void> make_private_directory(const std::string& path);

// Refuses a file that is another user's (root's is fine), that anyone but its owner may touch
// (mode & 077), or that is not a plain file.
[[nodiscard]] Result<std::string> read_private_file(const std::string& path, std::size_t bytes_max);

// False as well when one cannot tell: whoever opens it next learns why.
bool is_there(const std::string& path);

enum class IfPresent { replace, keep };
// Writes beside `path` with mode 0600, syncs, and moves it there in one step. With `keep`, a file
// that is already there stays as it is.
[[nodiscard]] Result<void> write_private_file(const std::string& path, std::string_view content,
                                              IfPresent if_present);

// Keeps other processes that take the same lock out, until it goes.
class DirectoryLock {
 public:
  [[nodiscard]] static Result<DirectoryLock> take(const std::string& directory);

 private:
  explicit DirectoryLock(net::UniqueFd fd) : fd_(std::move(fd)) {}
  net::UniqueFd fd_;
};

}  // namespace chatixia::registry
