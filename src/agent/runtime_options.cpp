#include "agent/runtime_options.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace chatixia::agent {
namespace {

// A path of this process alone, short enough for a socket address.
std::string private_socket(const AgentId& self, const GetVariable& variable) {
  std::string name = self.value().substr(0, 32);
  for (char& c : name)
    if (c == '/' || c == '\0') c = '_';
  const std::string runtime = variable("XDG_RUNTIME_DIR").value_or("");
  const std::string folder = runtime.empty() ? fmt::format("/tmp/chatixia-{}", ::getuid())
                                             : fmt::format("{}/chatixia", runtime);
  return fmt::format("{}/{}-{}.sock", folder, name, ::getpid());
}

std::string url_with(net::Url url, std::string_view scheme, std::string_view target) {
  if (!scheme.empty()) url.scheme = std::string(scheme) + (url.is_secure() ? "s" : "");
  while (url.target.ends_with('/')) url.target.pop_back();
  url.target += target;
  return url.to_string();
}

}  // namespace

Result<SidecarLink::Options> sidecar_link_options(const Runtime::Options& options,
                                                  const GetVariable& variable) {
  SidecarLink::Options link;
  link.socket = options.socket;
  if (!link.socket.empty()) return link;

  auto program = find_sidecar(options.sidecar_program, variable);
  if (!program) return std::unexpected(std::move(program.error()));
  link.program = std::move(*program);
  link.socket = private_socket(options.self, variable);
  link.environment["IPC_SOCKET"] = link.socket;
  // So that it ends with us, however we end.
  link.environment["CHATIXIA_PARENT_PID"] = std::to_string(::getpid());
  if (!options.api_key.empty()) link.environment["API_KEY"] = options.api_key;
  if (!variable("SIGNALING_URL"))
    link.environment["SIGNALING_URL"] = url_with(options.registry, "ws", "/ws");
  if (!variable("TOKEN_URL"))
    link.environment["TOKEN_URL"] = url_with(options.registry, "", "/api/token");
  return link;
}

Result<Runtime::Options> read_runtime_options(const GetVariable& variable) {
  Runtime::Options options;
  const auto value = [&](const char* name) { return variable(name).value_or(""); };
  options.self = AgentId(value("AGENT_ID"));
  options.api_key = value("API_KEY");
  options.socket = value("IPC_SOCKET");
  options.sidecar_program = value("SIDECAR_BINARY");
  if (const std::string text = value("REGISTRY_URL"); !text.empty()) {
    const auto url = net::Url::parse(text);
    if (!url || (url->scheme != "http" && url->scheme != "https"))
      return fail(Errc::bad_request, "REGISTRY_URL is \"" + text +
                                         "\"; it takes an address like http://127.0.0.1:8080");
    options.registry = *url;
  }
  return options;
}

}  // namespace chatixia::agent
