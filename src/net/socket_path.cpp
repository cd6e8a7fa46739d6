#include "net/socket_path.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace chatixia::net {
namespace {

constexpr int backlog = 64;

std::error_code error_of(int number) {
  return {number, std::generic_category()};
}

Result<sockaddr_un> to_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return fail(error_of(ENAMETOOLONG), "a socket path has 1 to " +
                                            std::to_string(sizeof(address.sun_path) - 1) +
                                            " bytes: '" + path + "'");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<UniqueFd> make_socket(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail(error_of(errno), "socket for " + path);
  return fd;
}

// Zero or the errno.
int try_connect(int fd, const sockaddr_un& address) {
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(fd, raw, sizeof(address)) == 0 ? 0 : errno;
}

// In a directory that passes, nobody but us and root can replace our file: it is ours or root's,
// and either closed to other writers or sticky, as /tmp is.
Result<void> check_directory(const std::string& directory) {
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0)
    return fail(error_of(errno), "socket directory " + directory);
  if (!S_ISDIR(info.st_mode)) return fail(error_of(ENOTDIR), "socket directory " + directory);
  if (info.st_uid != ::geteuid() && info.st_uid != 0)
    return fail(error_of(EPERM), "socket directory " + directory + " belongs to another user");
  const bool open_to_others = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (open_to_others && (info.st_mode & S_ISVTX) == 0)
    return fail(error_of(EPERM), "socket directory " + directory +
                                     " can be written by other users; chmod it to 0700");
  return {};
}

Result<void> prepare_directory(const std::string& directory) {
  struct stat info{};
  if (::lstat(directory.c_str(), &info) != 0) {
    if (errno != ENOENT) return fail(error_of(errno), "socket directory " + directory);
    if (::mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST)
      return fail(error_of(errno), "make socket directory " + directory);
    if (::lstat(directory.c_str(), &info) != 0)
      return fail(error_of(errno), "socket directory " + directory);
  }
  // /var/run is root's link to /run; anybody else's link could be turned later.
  if (S_ISLNK(info.st_mode) && info.st_uid != 0)
    return fail(error_of(ELOOP), "socket directory " + directory + " is a symbolic link");
  return check_directory(directory);
}

// Removes what a former process left behind. Success means: the path is free.
Result<void> clear_path(const std::string& path, const sockaddr_un& address) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return fail(error_of(errno), path);
  }
  if (S_ISLNK(info.st_mode)) return fail(error_of(ELOOP), path + " is a symbolic link");
  if (!S_ISSOCK(info.st_mode)) return fail(error_of(EEXIST), path + " exists and is not a socket");
  if (info.st_uid != ::geteuid()) return fail(error_of(EPERM), path + " belongs to another user");

  const auto probe = make_socket(path);
  if (!probe) return std::unexpected(probe.error());
  const int error = try_connect(probe->get(), address);
  if (error == 0 || error == EAGAIN || error == EINPROGRESS)
    return fail(error_of(EADDRINUSE), "another process listens at " + path);
  if (error == ENOENT) return {};
  if (error != ECONNREFUSED) return fail(error_of(error), path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail(error_of(errno), "remove the stale socket " + path);
  return {};
}

// Two processes that start at once must not both take the same stale socket for theirs. Only a
// directory of our own: in a shared one a stranger could hold the lock for ever.
UniqueFd lock_directory(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat info{};
  if (fd && ::fstat(fd.get(), &info) == 0 && info.st_uid == ::geteuid() &&
      (info.st_mode & (S_IRWXG | S_IRWXO)) == 0)
    ::flock(fd.get(), LOCK_EX);
  return fd;
}

// Listens at a name of its own and then gives the socket its real one, so that whoever waits for
// the path to appear can connect at once. A link never replaces what is there.
Result<void> listen_at(int fd, const std::string& directory, const std::string& path) {
  const std::string passing = directory + "/." + std::to_string(::getpid());
  const auto address = to_address(passing);
  if (!address) return std::unexpected(address.error());
  ::unlink(passing.c_str());  // of a former process with our number
  const auto* raw = reinterpret_cast<const sockaddr*>(&*address);
  if (::bind(fd, raw, sizeof(*address)) != 0) return fail(error_of(errno), "bind " + path);
  Result<void> result;
  if (::listen(fd, backlog) != 0)
    result = fail(error_of(errno), "listen at " + path);
  else if (::link(passing.c_str(), path.c_str()) != 0)
    result = fail(error_of(errno), "make " + path);
  ::unlink(passing.c_str());
  return result;
}

}  // namespace

Result<SocketPath> SocketPath::listen(const std::string& path) {
  const auto address = to_address(path);
  if (!address) return std::unexpected(address.error());
  const auto parent = std::filesystem::path(path).parent_path().string();
  const std::string directory = parent.empty() ? "." : parent;
  if (const auto ready = prepare_directory(directory); !ready)
    return std::unexpected(ready.error());

  const UniqueFd lock = lock_directory(directory);
  if (const auto clear = clear_path(path, *address); !clear) return std::unexpected(clear.error());
  auto fd = make_socket(path);
  if (!fd) return std::unexpected(fd.error());
  // The mode of the descriptor becomes the mode of the file, so there is no moment at which
  // others could connect, and no umask to change for the whole process.
  if (::fchmod(fd->get(), S_IRUSR | S_IWUSR) != 0) return fail(error_of(errno), "chmod " + path);
  if (auto listening = listen_at(fd->get(), directory, path); !listening)
    return std::unexpected(listening.error());

  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return fail(error_of(errno), path);
  if (!S_ISSOCK(info.st_mode) || info.st_uid != ::geteuid() ||
      (info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return fail(error_of(EPERM), path + " is not the private socket that was just made");
  SocketPath made;
  made.path_ = path;
  made.fd_ = std::move(*fd);
  made.device_ = info.st_dev;
  made.inode_ = info.st_ino;
  return made;
}

void SocketPath::unlink() const {
  struct stat info{};
  if (::lstat(path_.c_str(), &info) != 0) return;
  if (info.st_dev == device_ && info.st_ino == inode_) ::unlink(path_.c_str());
}

Result<UniqueFd> connect_socket_path(const std::string& path) {
  const auto address = to_address(path);
  if (!address) return std::unexpected(address.error());
  auto fd = make_socket(path);
  if (!fd) return fd;
  if (const int error = try_connect(fd->get(), *address); error != 0)
    return fail(error_of(error), "connect to " + path);
  if (!is_peer_trusted(fd->get(), true))
    return fail(error_of(EPERM), path + " is served by another user");
  return fd;
}

bool is_peer_trusted(int fd, bool root_too) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == ::geteuid() || (root_too && peer.uid == 0);
}

}  // namespace chatixia::net
