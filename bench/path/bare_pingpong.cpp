// The floor under an agent's round trip: the same four processes and six hops (agent, Unix socket,
// carrier, UDP, carrier, Unix socket, agent, and back), and nothing in them but read and write.
// bare_pingpong [--count=20000] [--size=256]
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "path/figures.hpp"

namespace {

using namespace chatixia::bench;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::array<int, 2> make_unix_pair() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) die("socketpair");
  return ends;
}

int bind_loopback(sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || bind(fd, generic, size) != 0 || getsockname(fd, generic, &size) != 0) die("bind");
  return fd;
}

void connect_to(int fd, const sockaddr_in& address) {
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("connect");
}

// Reads exactly `size` bytes from a stream; false at its end.
bool read_all(int fd, char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t got = read(fd, data, size);
    if (got <= 0) return false;
    data += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

// Strict ping-pong: a message comes from one side and its answer from the other.
void carry(int stream, int datagrams, std::size_t size, bool stream_first) {
  std::vector<char> buffer(size);
  for (bool from_stream = stream_first;; from_stream = !from_stream) {
    if (from_stream) {
      if (!read_all(stream, buffer.data(), size)) return;
      if (write(datagrams, buffer.data(), size) < 0) return;
    } else {
      if (read(datagrams, buffer.data(), size) < 0) return;
      if (write(stream, buffer.data(), size) < 0) return;
    }
  }
}

void echo(int stream, std::size_t size) {
  std::vector<char> buffer(size);
  while (read_all(stream, buffer.data(), size))
    if (write(stream, buffer.data(), size) < 0) return;
}

std::vector<double> ping(int stream, std::size_t size, int count) {
  std::vector<char> buffer(size, 'x');
  std::vector<double> microseconds;
  for (int index = -count / 20; index < count; ++index) {
    const auto start = Clock::now();
    if (write(stream, buffer.data(), size) < 0 || !read_all(stream, buffer.data(), size))
      die("ping");
    if (index >= 0) microseconds.push_back(seconds_since(start) * 1e6);
  }
  return microseconds;
}

template <class Work>
pid_t in_child(Work work) {
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child > 0) return child;
  work();
  std::_Exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  const int count = static_cast<int>(number_option(argc, argv, "count", 20'000));
  const auto size = static_cast<std::size_t>(number_option(argc, argv, "size", 256));
  const auto [near_agent, near_carrier] = make_unix_pair();
  const auto [far_agent, far_carrier] = make_unix_pair();
  sockaddr_in near_address;
  sockaddr_in far_address;
  const int near_udp = bind_loopback(near_address);
  const int far_udp = bind_loopback(far_address);
  connect_to(near_udp, far_address);
  connect_to(far_udp, near_address);

  const std::array children{
      in_child([&] { carry(near_carrier, near_udp, size, true); }),
      in_child([&] { carry(far_carrier, far_udp, size, false); }),
      in_child([&] { echo(far_agent, size); }),
  };
  const auto samples = ping(near_agent, size, count);
  for (const pid_t child : children) kill(child, SIGKILL);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  print_percentiles(samples);
}
