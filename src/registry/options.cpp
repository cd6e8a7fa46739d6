#include "registry/options.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "base/version.hpp"

namespace chatixia::registry {
namespace {

constexpr std::string_view description =
    "The control plane of a chatixia mesh: agents, signaling and tasks.";

constexpr std::string_view footer = R"(Examples:
  chatixia-registry
  chatixia-registry --port=9000 --json
  chatixia-registry key add bot-1 --role=agent

Environment:
  PORT, API_KEYS_FILE, COMPAT_0_4   as the options of that name
  SIGNALING_SECRET                  signs tokens; made on the first start if unset
  STUN_URL, TURN_URL                servers that agents are told, separated by commas
  TURN_SECRET                       shared with coturn's static-auth-secret
  TURN_USERNAME, TURN_PASSWORD      instead of TURN_SECRET
  CHATIXIA_LOG                      trace, debug, info, warning, error or off (info)
  CHATIXIA_LOG_FORMAT               text or json (text))";

// What the command line said, before it is checked.
struct Given {
  std::string listen, port, state_dir, keys_file, peer;
  std::string role = "agent";
  bool compat_0_4 = false;
  bool json = false;
  bool version = false;
};

std::unexpected<Exit> wrong_usage(const std::string& message) {
  return std::unexpected(Exit{2, fmt::format("error: {}\nTry: chatixia-registry --help", message)});
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row[b.size()];
}

std::string unknown_argument(const CLI::App& app, const std::string& argument) {
  constexpr std::size_t distance_max = 3;
  std::string message = fmt::format("unknown option \"{}\"", argument);
  const std::string name = argument.substr(0, argument.find('='));
  std::optional<std::pair<std::size_t, std::string>> nearest;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& known : option->get_lnames()) {
      const std::pair candidate(edit_distance(name, "--" + known), "--" + known);
      if (candidate.first <= distance_max && (!nearest || candidate < *nearest))
        nearest = candidate;
    }
  }
  if (nearest) message += fmt::format("; did you mean {}?", nearest->second);
  return message;
}

void describe(CLI::App& app, Given& given) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option("--listen", given.listen, "Address to listen on (127.0.0.1)")->type_name("IP");
  app.add_option("--port", given.port, "Port; 0 takes a free one (8080)")->type_name("PORT");
  app.add_option("--state-dir", given.state_dir,
                 "Secret and first key (~/.local/state/chatixia/registry)")
      ->type_name("DIR");
  app.add_option("--api-keys-file", given.keys_file, "Keys, if not in the state directory")
      ->type_name("FILE");
  app.add_flag("--compat-0.4", given.compat_0_4,
               "Let anyone read and submit tasks without credentials, as 0.4 agents do");
  app.add_flag("--json", given.json, "Say where it listens as one line of JSON");
  app.add_flag("--version", given.version, "Print the version");
  app.footer(std::string(footer));
  // Leftovers are reported with a suggestion, which CLI11 does not make.
  app.allow_extras();
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, port);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return port;
}

std::optional<bool> parse_switch(std::string_view text) {
  if (text == "1" || text == "true" || text == "yes" || text == "on") return true;
  if (text.empty() || text == "0" || text == "false" || text == "no" || text == "off") return false;
  return std::nullopt;
}

std::vector<std::string> split_urls(std::string_view text) {
  std::vector<std::string> urls;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    std::string_view url = text.substr(0, end);
    while (url.starts_with(' ')) url.remove_prefix(1);
    while (url.ends_with(' ')) url.remove_suffix(1);
    if (!url.empty()) urls.emplace_back(url);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return urls;
}

std::expected<IceConfig, Exit> ice_from(const Environment& environment) {
  const auto text = [&](std::string_view name) { return environment(name).value_or(""); };
  IceConfig ice{.stun_urls = split_urls(text("STUN_URL")),
                .turn_urls = split_urls(text("TURN_URL")),
                .turn_secret = text("TURN_SECRET"),
                .turn_username = text("TURN_USERNAME"),
                .turn_password = text("TURN_PASSWORD")};
  if (!ice.turn_urls.empty() && ice.turn_secret.empty() &&
      (ice.turn_username.empty() || ice.turn_password.empty()))
    return wrong_usage("TURN_URL needs TURN_SECRET, or TURN_USERNAME and TURN_PASSWORD, beside it");
  return ice;
}

std::expected<void, Exit> read_log_settings(const Environment& environment, Options& options) {
  const std::string level = environment("CHATIXIA_LOG").value_or("info");
  options.log_level = parse_log_level(level);
  if (options.log_level == LogLevel::info && level != "info")
    return wrong_usage("CHATIXIA_LOG is not trace, debug, info, warning, error or off");
  const std::string format = environment("CHATIXIA_LOG_FORMAT").value_or("text");
  if (format != "text" && format != "json")
    return wrong_usage("CHATIXIA_LOG_FORMAT is neither text nor json");
  options.log_json = format == "json";
  return {};
}

std::expected<Options, Exit> check(const Given& given, const Environment& environment) {
  const auto choose = [&](const std::string& option, std::string_view variable) {
    return option.empty() ? environment(variable).value_or("") : option;
  };
  Options options;
  options.json = given.json;
  if (auto read = read_log_settings(environment, options); !read)
    return std::unexpected(read.error());
  if (!given.listen.empty()) {
    const auto ip = IpAddress::parse(given.listen == "localhost" ? "127.0.0.1" : given.listen);
    if (!ip) return wrong_usage(fmt::format("--listen: \"{}\" is no IP address", given.listen));
    options.listen = *ip;
  }
  if (const std::string port_text = choose(given.port, "PORT"); !port_text.empty()) {
    const auto port = parse_port(port_text);
    if (!port) return wrong_usage(fmt::format("port: \"{}\" is not 0 to 65535", port_text));
    options.port = *port;
  }
  const auto compat = parse_switch(environment("COMPAT_0_4").value_or(""));
  if (!compat) return wrong_usage("COMPAT_0_4 is neither 1 nor 0");
  options.compat_0_4 = given.compat_0_4 || *compat;
  options.state_dir = given.state_dir.empty() ? default_state_dir(environment) : given.state_dir;
  options.keys_file = choose(given.keys_file, "API_KEYS_FILE");
  options.signaling_secret = environment("SIGNALING_SECRET").value_or("");
  auto ice = ice_from(environment);
  if (!ice) return std::unexpected(ice.error());
  options.ice = *std::move(ice);
  return options;
}

}  // namespace

std::expected<Options, Exit> parse_options(std::span<const std::string> arguments,
                                           const Environment& environment) {
  Given given;
  CLI::App app(std::string(description), "chatixia-registry");
  describe(app, given);
  // fallthrough: options of the program are understood behind a subcommand too.
  CLI::App* const key = app.add_subcommand("key", "Manage API keys")->fallthrough();
  CLI::App* const add = key->add_subcommand("add", "Make a key and print it")->fallthrough();
  key->require_subcommand(1);
  add->add_option("PEER_ID", given.peer, "Whom the key speaks for")->required();
  add->add_option("--role", given.role, "admin, operator, agent or viewer (agent)");

  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    return std::unexpected(Exit{0, app.help()});
  } catch (const CLI::ParseError& problem) {
    return wrong_usage(problem.what());
  }
  if (const auto extras = app.remaining(true); !extras.empty())
    return wrong_usage(unknown_argument(app, extras.front()));
  if (given.version) return std::unexpected(Exit{0, fmt::format("chatixia-registry {}", version)});

  auto options = check(given, environment);
  if (!options || !add->parsed()) return options;
  const auto role = parse_role(given.role);
  if (!role)
    return wrong_usage(
        fmt::format("--role: \"{}\" is not admin, operator, agent or viewer", given.role));
  options->command = Options::Command::add_key;
  options->new_key = {.peer = PeerId(given.peer), .role = *role};
  return options;
}

}  // namespace chatixia::registry
