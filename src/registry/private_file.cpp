#include "registry/private_file.hpp"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/errc.hpp"

namespace chatixia::registry {
namespace {

std::unexpected<Error> system_failure(const std::string& path) {
  return fail(std::error_code(errno, std::generic_category()), path);
}

std::string parent_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

Result<void> write_whole(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_failure(path);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return system_failure(path);
  return {};
}

// Whoever owns a file may change it, whatever its mode says.
Result<void> check_owner(const struct stat& status, const std::string& path) {
  if (status.st_uid == ::geteuid() || status.st_uid == 0) return {};
  return fail(Errc::bad_configuration, path + " belongs to another user");
}

// A name in a directory is durable once the directory is.
Result<void> sync_directory(const std::string& path) {
  const net::UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return system_failure(path);
  return {};
}

}  // namespace

Result<void> make_private_directory(const std::string& path) {
  std::string made;
  for (const auto& part : std::filesystem::path(path)) {
    made = (std::filesystem::path(made) / part).string();
    if (::mkdir(made.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR)
      return system_failure(made);
  }
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return system_failure(path);
  if (!S_ISDIR(status.st_mode)) return fail(Errc::bad_configuration, path + " is not a directory");
  if (auto owned = check_owner(status, path); !owned) return owned;
  if ((status.st_mode & 022) != 0)
    return fail(Errc::bad_configuration,
                fmt::format("others may write to {0}; run: chmod 700 {0}", path));
  return {};
}

bool is_there(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

Result<std::string> read_private_file(const std::string& path, std::size_t bytes_max) {
  const net::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return system_failure(path);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return system_failure(path);
  if (!S_ISREG(status.st_mode)) return fail(Errc::bad_configuration, path + " is not a plain file");
  if (auto owned = check_owner(status, path); !owned) return std::unexpected(owned.error());
  if ((status.st_mode & 077) != 0)
    return fail(Errc::bad_configuration,
                fmt::format("others may read {0}; run: chmod 600 {0}", path));

  std::string content;
  char chunk[4096];
  for (;;) {
    const ssize_t got = ::read(file.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure(path);
    if (got == 0) return content;
    content.append(chunk, static_cast<std::size_t>(got));
    if (content.size() > bytes_max) return fail(Errc::bad_configuration, path + " is too large");
  }
}

Result<void> write_private_file(const std::string& path, std::string_view content,
                                IfPresent if_present) {
  std::string temporary = path + ".XXXXXX";
  const net::UniqueFd file(::mkostemp(temporary.data(), O_CLOEXEC));  // makes it with mode 0600
  if (!file) return system_failure(path);
  Result<void> written = write_whole(file.get(), content, path);
  if (written) {
    // A link, unlike a rename, leaves what is there alone.
    const bool moved = if_present == IfPresent::replace
                           ? ::rename(temporary.c_str(), path.c_str()) == 0
                           : ::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST;
    if (!moved) written = system_failure(path);
  }
  if (!written || if_present == IfPresent::keep) ::unlink(temporary.c_str());
  if (!written) return written;
  return sync_directory(parent_of(path));
}

Result<DirectoryLock> DirectoryLock::take(const std::string& directory) {
  net::UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::flock(fd.get(), LOCK_EX) != 0) return system_failure(directory);
  return DirectoryLock(std::move(fd));
}

}  // namespace chatixia::registry
