// The smallest agent: it has two skills and can call those of others.
//
//   AGENT_ID=alice API_KEY=... example_agent                      serves until Ctrl-C
//   AGENT_ID=bob API_KEY=... example_agent call alice echo "hi"    calls an agent and leaves
//
// Also read: REGISTRY_URL, SIDECAR_BINARY, IPC_SOCKET.
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "agent/runtime.hpp"

using namespace chatixia;

namespace {

std::string text_of(const json::Object& args) {
  return json::ObjectReader(args).text_or("text", "", limits::message_bytes_max);
}

Result<json::Value> echo(const json::Object& args, agent::SkillContext&) {
  return args;
}

// Streams every word as it is counted.
Result<json::Value> word_count(const json::Object& args, agent::SkillContext& context) {
  std::istringstream text(text_of(args));
  int count = 0;
  for (std::string word; text >> word && context.emit(word); ++count) continue;
  return json::Object{{"words", count}};
}

int call(agent::Runtime& runtime, const std::string& to, const char* skill, const char* text) {
  agent::CallOptions options;
  options.on_chunk = [](const std::string& chunk) { std::cout << "... " << chunk << std::endl; };
  const auto answer = runtime.call(AgentId(to), skill, {{"text", text}}, options);
  std::cout << (answer ? json::encode(*answer) : answer.error().message()) << std::endl;
  return answer ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  // Blocked before any thread starts, so that sigwait() below gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  auto options = agent::read_runtime_options([](const std::string& name) {
    const char* const value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  });
  if (!options || options->self.value().empty()) {
    std::cerr << (options ? "AGENT_ID is not set" : options.error().message()) << "\n";
    return 1;
  }
  agent::Runtime runtime(*options);
  runtime.add_skill({.name = "echo", .description = "gives its arguments back", .function = echo});
  runtime.add_skill(
      {.name = "word_count", .description = "counts words of \"text\"", .function = word_count});
  if (const auto started = runtime.start(); !started) {
    std::cerr << started.error().message() << "\n";
    return 1;
  }
  if (count == 5 && std::string_view(words[1]) == "call")
    return call(runtime, words[2], words[3], words[4]);
  int signal = 0;
  sigwait(&signals, &signal);
  return 0;
}
