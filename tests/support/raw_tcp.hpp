#pragma once

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace chatixia::test {

// A loopback TCP socket that a test drives by hand, to say what no proper client or server would.
class RawTcp {
 public:
  explicit RawTcp(int fd) : fd_(fd) {}
  RawTcp(RawTcp&& other) noexcept : fd_(other.fd_), received_(std::move(other.received_)) {
    other.fd_ = -1;
  }
  RawTcp& operator=(RawTcp&&) = delete;
  ~RawTcp() { close(); }

  static RawTcp connect(std::uint16_t port) {
    RawTcp socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // Room for all that a test says before the loop it talks to runs again.
    const int bytes = 4 * 1024 * 1024;
    ::setsockopt(socket.fd_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    const sockaddr_in to = loopback(port);
    if (::connect(socket.fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0)
      socket.close();
    return socket;
  }
  static RawTcp listen() {
    RawTcp socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_in any = loopback(0);
    if (::bind(socket.fd_, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) != 0 ||
        ::listen(socket.fd_, 16) != 0)
      socket.close();
    return socket;
  }
  // Invalid when nobody has come yet.
  RawTcp accept() const { return RawTcp(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)); }

  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  std::uint16_t port() const {
    sockaddr_in local{};
    socklen_t size = sizeof(local);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&local), &size);
    return ntohs(local.sin_port);
  }

  void send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t size = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (size <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(size));
    }
  }
  // All that came so far.
  const std::string& received() {
    std::array<char, 65'536> bytes;
    for (;;) {
      const ssize_t size = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (size == 0) ended_ = true;
      if (size <= 0) return received_;
      received_.append(bytes.data(), static_cast<std::size_t>(size));
    }
  }
  // The other side has closed, and all it said was received.
  bool ended() {
    received();
    return ended_;
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  int fd_;
  std::string received_;
  bool ended_ = false;
};

}  // namespace chatixia::test
