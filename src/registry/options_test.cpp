#include "registry/options.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace chatixia::registry {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

std::expected<Options, Exit> parse(std::vector<std::string> arguments, Variables variables = {}) {
  variables.emplace("HOME", "/home/ada");
  return parse_options(arguments, [&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

TEST(Options, AreSafeWhenNothingIsSaid) {
  const auto options = parse({});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->command, Options::Command::serve);
  EXPECT_TRUE(options->listen.is_loopback());
  EXPECT_EQ(options->port, 8080);
  EXPECT_EQ(options->state_dir, "/home/ada/.local/state/chatixia/registry");
  EXPECT_FALSE(options->compat_0_4);
  EXPECT_TRUE(options->ice.stun_urls.empty());
}

TEST(Options, WinOverTheEnvironment) {
  EXPECT_EQ(parse({}, {{"PORT", "9000"}})->port, 9000);
  EXPECT_EQ(parse({"--port=0"}, {{"PORT", "9000"}})->port, 0);
  EXPECT_EQ(parse({"--port", "1"})->port, 1);
  EXPECT_EQ(parse({}, {{"API_KEYS_FILE", "/k"}})->keys_file, "/k");
  EXPECT_EQ(parse({"--api-keys-file=/l"}, {{"API_KEYS_FILE", "/k"}})->keys_file, "/l");
  EXPECT_TRUE(parse({}, {{"COMPAT_0_4", "1"}})->compat_0_4);
  EXPECT_TRUE(parse({"--compat-0.4"})->compat_0_4);
  EXPECT_FALSE(parse({}, {{"COMPAT_0_4", "0"}})->compat_0_4);
  EXPECT_TRUE(parse({"--json"})->json);
  EXPECT_EQ(parse({"--state-dir=/s"})->state_dir, "/s");
  EXPECT_EQ(parse({"--listen=::1"})->listen.to_string(), "::1");
}

TEST(Options, SayHowMuchIsLogged) {
  const auto options = parse({}, {{"CHATIXIA_LOG", "debug"}, {"CHATIXIA_LOG_FORMAT", "json"}});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->log_level, LogLevel::debug);
  EXPECT_TRUE(options->log_json);
}

TEST(Options, NameIceServers) {
  const auto ice =
      parse({}, {{"STUN_URL", "stun:a, stun:b"}, {"TURN_URL", "turn:c"}, {"TURN_SECRET", "x"}})
          ->ice;
  EXPECT_EQ(ice.stun_urls, (std::vector<std::string>{"stun:a", "stun:b"}));
  EXPECT_EQ(ice.turn_urls, (std::vector<std::string>{"turn:c"}));
  EXPECT_FALSE(parse({}, {{"TURN_URL", "turn:c"}}));
  EXPECT_TRUE(parse({}, {{"TURN_URL", "turn:c"}, {"TURN_USERNAME", "u"}, {"TURN_PASSWORD", "p"}}));
}

TEST(Options, MakeKeys) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"key", "add", "bot-1", "--role=admin", "--state-dir=/s"},
           {"--state-dir=/s", "key", "add", "--role", "admin", "bot-1"}}) {
    const auto options = parse(arguments);
    ASSERT_TRUE(options);
    EXPECT_EQ(options->command, Options::Command::add_key);
    EXPECT_EQ(options->state_dir, "/s");
    EXPECT_EQ(options->new_key, (Principal{.peer = PeerId("bot-1"), .role = Role::admin}));
  }
  EXPECT_EQ(parse({"key", "add", "bot-1"})->new_key.role, Role::agent);
}

TEST(Options, ExplainThemselves) {
  const auto help = parse({"--help"});
  ASSERT_FALSE(help);
  EXPECT_EQ(help.error().code, 0);
  EXPECT_NE(help.error().text.find("chatixia-registry --port=9000"), std::string::npos);
  EXPECT_NE(help.error().text.find("--state-dir"), std::string::npos);
  const auto version = parse({"--version"});
  EXPECT_EQ(version.error().code, 0);
  EXPECT_TRUE(version.error().text.starts_with("chatixia-registry "));
}

TEST(Options, RefuseWrongUsage) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"--prot=1"},
                                             {"serve"},
                                             {"--port=x"},
                                             {"--port=70000"},
                                             {"--port=-1"},
                                             {"--port=1", "--port=2"},
                                             {"--port"},
                                             {"--listen=example.net"},
                                             {"key"},
                                             {"key", "add"},
                                             {"key", "drop"},
                                             {"key", "add", "a", "b"},
                                             {"key", "add", "a", "--role=root"}}) {
    const auto options = parse(arguments);
    ASSERT_FALSE(options) << arguments.front();
    EXPECT_EQ(options.error().code, 2) << arguments.front();
    EXPECT_NE(options.error().text.find("--help"), std::string::npos);
  }
  EXPECT_EQ(parse({}, {{"PORT", "http"}}).error().code, 2);
  EXPECT_EQ(parse({}, {{"COMPAT_0_4", "perhaps"}}).error().code, 2);
  EXPECT_EQ(parse({}, {{"CHATIXIA_LOG", "warn"}}).error().code, 2);
  EXPECT_EQ(parse({}, {{"CHATIXIA_LOG_FORMAT", "jsn"}}).error().code, 2);
}

TEST(Options, SuggestWhatMayHaveBeenMeant) {
  EXPECT_NE(parse({"--prot=1"}).error().text.find("did you mean --port?"), std::string::npos);
  EXPECT_NE(parse({"--state-dri", "x"}).error().text.find("did you mean --state-dir?"),
            std::string::npos);
  EXPECT_EQ(parse({"--something-else"}).error().text.find("did you mean"), std::string::npos);
}

}  // namespace
}  // namespace chatixia::registry
