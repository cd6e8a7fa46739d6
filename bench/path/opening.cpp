#include "path/opening.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <spawn.h>

#include <fmt/format.h>
#include <sys/wait.h>

#include "path/figures.hpp"

extern char** environ;

namespace chatixia::bench {

namespace {

pid_t start(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t process = 0;
  if (posix_spawn(&process, arguments[0], nullptr, nullptr, arguments.data(), environ) == 0)
    return process;
  fmt::print(stderr, "cannot start {}\n", command.front());
  std::exit(1);
}

}  // namespace

void measure_opening(Agent& agent, const std::vector<std::string>& command, int count) {
  std::vector<double> milliseconds;
  for (int index = -1; index < count; ++index) {
    const auto began = Clock::now();
    const pid_t sidecar = start(command);
    agent.await_event("peer_connected");
    if (index >= 0) milliseconds.push_back(seconds_since(began) * 1e3);
    kill(sidecar, SIGTERM);
    waitpid(sidecar, nullptr, 0);
    agent.await_event("peer_disconnected");
  }
  print_percentiles(milliseconds);
}

}  // namespace chatixia::bench
