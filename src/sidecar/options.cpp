#include "sidecar/options.hpp"

#include <charconv>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/log.hpp"
#include "base/parse_error.hpp"

namespace chatixia::sidecar {
namespace {

constexpr std::size_t key_bytes_max = 4096;

Result<std::uint64_t> parse_number(const std::string& text, const char* name, std::uint64_t max) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max)
    return fail(ParseError::bad_value, std::string(name) + " is \"" + text +
                                           "\"; it takes a number from 0 to " +
                                           std::to_string(max));
  return value;
}

Result<std::string> read_key_file(const std::string& path) {
  std::ifstream file(path);
  std::string key;
  const bool is_read = file && std::getline(file, key);
  // A file of another system ends its lines with CR and LF; no key ends with a space.
  key.resize(key.find_last_not_of(" \t\r") + 1);
  if (!is_read || key.empty() || key.size() > key_bytes_max)
    return fail(ParseError::bad_value,
                "API_KEY_FILE " + path + " cannot be read, or its first line is no key");
  return key;
}

Result<std::vector<IpAddress>> parse_addresses(const std::string& list) {
  std::vector<IpAddress> addresses;
  std::stringstream stream(list);
  for (std::string item; std::getline(stream, item, ',');) {
    const auto ip = IpAddress::parse(item);
    if (!ip)
      return fail(ParseError::bad_value, "CHATIXIA_ICE_ADDRESSES has \"" + item +
                                             "\"; it takes addresses separated by commas");
    addresses.push_back(*ip);
  }
  return addresses;
}

// Spinning trades a processor for latency. Where the agent, its peers or anything else wants that
// processor, it makes the latency worse.
std::chrono::microseconds default_busy_poll() {
  return std::chrono::microseconds(std::thread::hardware_concurrency() >= 4 ? 50 : 0);
}

std::string default_socket(const Environment& environment) {
  const auto runtime = environment("XDG_RUNTIME_DIR");
  return runtime && !runtime->empty() ? *runtime + "/chatixia/sidecar.sock"
                                      : "/tmp/chatixia-sidecar.sock";
}

}  // namespace

Result<Options> read_options(const Environment& environment) {
  Options options;
  const auto take = [&](const char* name, std::string& into) {
    if (auto value = environment(name); value && !value->empty()) into = *std::move(value);
  };
  take("SIGNALING_URL", options.signaling_url);
  take("TOKEN_URL", options.token_url);
  take("API_KEY", options.api_key);
  options.ipc_socket = default_socket(environment);
  take("IPC_SOCKET", options.ipc_socket);
  take("TURN_URL", options.turn_url);
  take("TURN_SECRET", options.turn_secret);
  take("TURN_USERNAME", options.turn_username);
  take("TURN_PASSWORD", options.turn_password);
  take("CHATIXIA_LOG", options.log_level);

  if (const auto path = environment("API_KEY_FILE"); path && !path->empty()) {
    auto key = read_key_file(*path);
    if (!key) return std::unexpected(key.error());
    options.api_key = *std::move(key);
  }
  const std::string policy = environment("ICE_TRANSPORT_POLICY").value_or("all");
  if (policy != "all" && policy != "relay" && !policy.empty())
    return fail(ParseError::bad_value,
                "ICE_TRANSPORT_POLICY is \"" + policy + "\"; it takes \"all\" or \"relay\"");
  options.relay_only = policy == "relay";

  if (const auto list = environment("CHATIXIA_ICE_ADDRESSES"); list && !list->empty()) {
    auto addresses = parse_addresses(*list);
    if (!addresses) return std::unexpected(addresses.error());
    options.ice_addresses = *std::move(addresses);
  }
  if (const auto text = environment("CHATIXIA_UDP_PORT"); text && !text->empty()) {
    const auto port = parse_number(*text, "CHATIXIA_UDP_PORT", 65535);
    if (!port) return std::unexpected(port.error());
    options.udp_port = static_cast<std::uint16_t>(*port);
  }
  if (const auto text = environment("CHATIXIA_PARENT_PID"); text && !text->empty()) {
    constexpr std::uint64_t pid_max = 4'194'304;  // PID_MAX_LIMIT of Linux
    const auto pid = parse_number(*text, "CHATIXIA_PARENT_PID", pid_max);
    if (!pid) return std::unexpected(pid.error());
    options.parent_pid = static_cast<int>(*pid);
  }
  options.busy_poll = default_busy_poll();
  if (const auto text = environment("CHATIXIA_BUSY_POLL_US"); text && !text->empty()) {
    const auto limit = parse_number(*text, "CHATIXIA_BUSY_POLL_US", 10'000);
    if (!limit) return std::unexpected(limit.error());
    options.busy_poll = std::chrono::microseconds(*limit);
  }
  if (options.log_level != "info" && parse_log_level(options.log_level) == LogLevel::info)
    return fail(ParseError::bad_value,
                "CHATIXIA_LOG is \"" + options.log_level +
                    "\"; it takes trace, debug, info, warning, error or off");
  const std::string format = environment("CHATIXIA_LOG_FORMAT").value_or("text");
  if (format != "json" && format != "text" && !format.empty())
    return fail(ParseError::bad_value,
                "CHATIXIA_LOG_FORMAT is \"" + format + "\"; it takes \"text\" or \"json\"");
  options.log_json = format == "json";
  return options;
}

std::string_view help_text() {
  return R"(chatixia-sidecar: connects one agent to the mesh

It reads JSON lines from the agent on a Unix socket and speaks WebRTC data channels to the
sidecars of other agents. An agent usually starts it as a child.

usage: chatixia-sidecar [--help] [--version]

example:
  API_KEY_FILE=./agent.key IPC_SOCKET=/run/user/1000/chatixia/bot.sock chatixia-sidecar

environment:
  SIGNALING_URL          the registry's WebSocket       [ws://localhost:8080/ws]
  TOKEN_URL              where tokens come from         [http://localhost:8080/api/token]
  API_KEY, API_KEY_FILE  the key of this agent, or a file whose first line it is
  IPC_SOCKET             the agent's socket             [$XDG_RUNTIME_DIR/chatixia/sidecar.sock]
  ICE_TRANSPORT_POLICY   "all", or "relay" for TURN only                               [all]
  TURN_URL               turn:host:port, with TURN_SECRET or TURN_USERNAME and TURN_PASSWORD;
                         the registry's servers are used as well
  CHATIXIA_ICE_ADDRESSES offer only these local addresses, separated by commas
  CHATIXIA_UDP_PORT      the UDP port for all links; 0 takes a free one                [0]
  CHATIXIA_BUSY_POLL_US  poll this long after traffic before sleeping    [50; 0 below 4 CPUs]
  CHATIXIA_PARENT_PID    end when the process that started this one, and has this id, does
  CHATIXIA_LOG           trace, debug, info, warning, error or off                     [info]
  CHATIXIA_LOG_FORMAT    "text" or "json"                                              [text]
)";
}

}  // namespace chatixia::sidecar
