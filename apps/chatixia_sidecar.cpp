// Connects one agent to the mesh; see src/sidecar.

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/log.hpp"
#include "base/version.hpp"
#include "net/loop.hpp"
#include "sidecar/options.hpp"
#include "sidecar/parent.hpp"
#include "sidecar/sidecar.hpp"

namespace {

int fail(const char* what, const std::string& why, int code) {
  std::fprintf(stderr, "chatixia-sidecar: %s: %s\n", what, why.c_str());
  return code;
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

int run() {
  auto options = chatixia::sidecar::read_options(environment);
  if (!options) return fail("configuration", options.error().context, 2);
  chatixia::Log::configure(
      {.level = chatixia::parse_log_level(options->log_level), .json = options->log_json});

  if (!chatixia::sidecar::end_with_parent(options->parent_pid))
    return fail("cannot start", "the agent that started this sidecar has ended", 1);

  chatixia::net::Loop loop;
  auto sidecar = chatixia::sidecar::Sidecar::open(loop, *std::move(options));
  if (!sidecar) return fail("cannot start", sidecar.error().message(), 1);
  loop.on_terminate([&] { (*sidecar)->stop(); });
  (*sidecar)->start();
  loop.run();
  return (*sidecar)->has_failed() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    const std::string_view argument = argv[1];
    if (argument == "--help" || argument == "-h") {
      const std::string_view help = chatixia::sidecar::help_text();
      std::fwrite(help.data(), 1, help.size(), stdout);
      return 0;
    }
    if (argument == "--version" || argument == "-V") {
      std::printf("chatixia-sidecar %s\n", CHATIXIA_VERSION);
      return 0;
    }
    return fail("unknown argument", std::string(argument) + "; see --help", 2);
  }
  try {
    return run();
  } catch (const std::exception& error) {
    return fail("stopped by an error", error.what(), 1);
  }
}
