#pragma once

#include <string>

#include <sys/types.h>

#include "base/result.hpp"
#include "net/unique_fd.hpp"

namespace chatixia::net {

// A listening Unix socket and the file that names it.
class SocketPath {
 public:
  // Makes the directory when it is missing, refuses one in which others could replace the file,
  // takes over a socket that nobody serves, and listens with mode 0600.
  static Result<SocketPath> listen(const std::string& path);

  UniqueFd take_fd() { return std::move(fd_); }
  const std::string& path() const { return path_; }
  // Unless somebody put another file there.
  void unlink() const;

 private:
  std::string path_;
  UniqueFd fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Connects to a socket of our uid or root's.
Result<UniqueFd> connect_socket_path(const std::string& path);

// The process at the other end (SO_PEERCRED) runs as us, or as root where that is enough.
bool is_peer_trusted(int fd, bool root_too);

}  // namespace chatixia::net
