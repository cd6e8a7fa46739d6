// The rtc stack alone between two processes, measured as bench/peers measures foreign stacks:
//   rtc_bench setup|ping|stream|memory [--address=127.0.0.1] [--count=N] [--size=B] [--seconds=S]
// Prints one line of JSON.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/endpoint.hpp"
#include "net/line_socket.hpp"
#include "net/loop.hpp"
#include "path/figures.hpp"
#include "path/raw_callee.hpp"
#include "path/raw_caller.hpp"
#include "path/raw_links.hpp"

namespace {

using namespace chatixia;

constexpr net::LineConnection::Options line_limits{.line_bytes_max = 64 * 1024,
                                                   .queue_bytes_max = 1024 * 1024};

std::string make_directory() {
  std::string path = std::filesystem::temp_directory_path() / "chatixia-bench-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) std::abort();
  return path;
}

int run_callee(const std::string& socket, const IpAddress& address) {
  net::Loop loop;
  for (int attempt = 0; attempt < 200; ++attempt) {
    if (auto other = net::LineConnection::connect(loop, socket, line_limits)) {
      bench::RawLinks links(loop, address, *other);
      bench::RawCallee callee(links);
      callee.start();
      loop.run();
      return 0;
    }
    usleep(10'000);
  }
  return 1;
}

int run_caller(const std::string& socket, const IpAddress& address, const std::string& name,
               const bench::RawFigure::Options& options) {
  net::Loop loop;
  std::unique_ptr<bench::RawLinks> links;
  std::unique_ptr<bench::RawFigure> figure;
  const auto server = net::LineServer::listen(loop, socket, line_limits, [&](auto connection) {
    links = std::make_unique<bench::RawLinks>(loop, address, connection);
    figure = bench::RawFigure::make(name, loop, *links, options);
    if (figure) return figure->start();
    fmt::print(stderr, "unknown figure {}\n", name);
    loop.stop();
  });
  if (!server) {
    fmt::print(stderr, "{}\n", server.error().message());
    return 1;
  }
  loop.run();
  return figure ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  const auto address = IpAddress::parse(bench::option(argc, argv, "address", "127.0.0.1"));
  if (!address) return 2;
  const bench::RawFigure::Options options{
      .count = static_cast<int>(bench::number_option(argc, argv, "count", 50)),
      .size = static_cast<std::size_t>(bench::number_option(argc, argv, "size", 256)),
      .seconds = bench::number_option(argc, argv, "seconds", 2),
  };
  const std::string directory = make_directory();
  const std::string socket = directory + "/signaling";
  const pid_t callee = fork();
  if (callee == 0) std::_Exit(run_callee(socket, *address));
  const int status = run_caller(socket, *address, name, options);
  waitpid(callee, nullptr, 0);
  std::filesystem::remove_all(directory);
  return status;
}
