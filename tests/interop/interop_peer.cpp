// A test peer on our rtc stack, driven by JSON lines: commands on standard input, events on
// standard output. It ends with its input.
#include <cstdio>
#include <iostream>
#include <string>
#include <thread>

#include "crypto/certificate.hpp"
#include "crypto/random.hpp"
#include "interop/interop_commands.hpp"
#include "json/json.hpp"
#include "net/loop.hpp"

int main() {
  using namespace chatixia;
  const auto certificate = crypto::Certificate::make(net::wall_now(), std::chrono::hours(24));
  if (!certificate) {
    std::cerr << certificate.error().message() << '\n';
    return 1;
  }
  crypto::SystemRandom random;
  net::Loop loop;
  interop::Commands commands(loop, random, *certificate, [](const json::Object& event) {
    std::puts(json::encode(event).c_str());
    std::fflush(stdout);
  });
  // Standard input may be a file, which an event loop cannot wait for; so a thread reads it.
  std::jthread reader([&] {
    for (std::string line; std::getline(std::cin, line);)
      loop.post([&commands, line] { commands.handle_line(line); });
    loop.stop();
  });
  loop.run();
}
