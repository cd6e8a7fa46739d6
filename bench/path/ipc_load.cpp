// An agent that does nothing but load its sidecar:
//   ipc_load serve  --socket=PATH
//   ipc_load ping   --socket=PATH --peer=ID [--count=20000] [--size=256]
//   ipc_load stream --socket=PATH --peer=ID [--seconds=2] [--size=1024] [--sidecars=PID,PID]
//   ipc_load open   --socket=PATH [--count=50] -- SIDECAR ARGUMENT...
//   ipc_load links  --socket=PATH [--count=1]      waits for so many open links
// Each but `serve` prints one line of JSON.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "path/agent.hpp"
#include "path/figures.hpp"
#include "path/opening.hpp"
#include "path/streaming.hpp"

int main(int argc, char** argv) {
  using namespace chatixia::bench;
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const std::string peer = option(argc, argv, "peer", "");
  Agent agent(option(argc, argv, "socket", ""));

  if (mode == "serve") {
    serve(agent);
  } else if (mode == "ping") {
    ping(agent, peer, static_cast<int>(number_option(argc, argv, "count", 20'000)),
         static_cast<std::size_t>(number_option(argc, argv, "size", 256)));
  } else if (mode == "stream") {
    stream(agent, peer, number_option(argc, argv, "seconds", 2),
           static_cast<std::size_t>(number_option(argc, argv, "size", 1024)),
           numbers_option(argc, argv, "sidecars"));
  } else if (mode == "links") {
    for (int count = static_cast<int>(number_option(argc, argv, "count", 1)); count > 0; --count)
      agent.await_event("peer_connected");
    fmt::print("{{}}\n");
  } else if (mode == "open") {
    std::vector<std::string> command;
    for (int index = 2; index < argc; ++index)
      if (std::string_view(argv[index]) == "--") command.assign(argv + index + 1, argv + argc);
    measure_opening(agent, command, static_cast<int>(number_option(argc, argv, "count", 50)));
  } else {
    fmt::print(stderr, "unknown mode {}\n", mode);
    return 2;
  }
}
