#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "json/json.hpp"
#include "net/loop.hpp"
#include "registry/options.hpp"
#include "registry/server.hpp"

namespace {

using namespace chatixia;

std::optional<std::string> environment(std::string_view name) {
  const char* const value = std::getenv(std::string(name).c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

int report(const Error& error) {
  std::cerr << "error: " << error.message() << '\n';
  return 1;
}

int make_key(const registry::Options& options) {
  const auto key = registry::add_key(options);
  if (!key) return report(key.error());
  std::cout << *key << std::endl;
  std::cerr << "This key is not shown again. A running registry knows it at once.\n";
  return 0;
}

void say_where(const registry::Server& server, bool as_json) {
  if (as_json)
    std::cout << json::encode(json::Object{{"event", "listening"},
                                           {"url", server.url()},
                                           {"state_dir", server.state_dir()},
                                           {"keys_file", server.keys_path()}})
              << std::endl;
  else
    std::cout << "Listening on " << server.url() << "\nAPI keys are in " << server.keys_path()
              << std::endl;
}

int serve(const registry::Options& options) {
  net::Loop loop;
  auto server = registry::Server::start(loop, options);
  if (!server) return report(server.error());
  loop.on_terminate([&] { (*server)->shut_down([&] { loop.stop(); }); });
  say_where(**server, options.json);
  loop.run();
  return 0;
}

int run(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto options = registry::parse_options(arguments, environment);
  if (!options) {
    (options.error().code == 0 ? std::cout : std::cerr) << options.error().text << '\n';
    return options.error().code;
  }
  Log::configure({.level = options->log_level, .json = options->log_json});
  return options->command == registry::Options::Command::add_key ? make_key(*options)
                                                                 : serve(*options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
