#include "agent/runtime_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace chatixia::agent {
namespace {

using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

GetVariable from(Variables variables) {
  return [variables = std::move(variables)](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(RuntimeOptions, ReadsTheEnvironmentOverTheDefaults) {
  const auto plain = read_runtime_options(from({}));
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->registry.to_string(), "http://127.0.0.1:8080/");
  EXPECT_EQ(plain->self, AgentId());

  const auto options = read_runtime_options(from({{"AGENT_ID", "alice"},
                                                  {"API_KEY", "k"},
                                                  {"IPC_SOCKET", "/run/s.sock"},
                                                  {"SIDECAR_BINARY", "/bin/true"},
                                                  {"REGISTRY_URL", "https://mesh.test/a"}}));
  ASSERT_TRUE(options);
  EXPECT_EQ(options->self, AgentId("alice"));
  EXPECT_EQ(options->api_key, "k");
  EXPECT_EQ(options->socket, "/run/s.sock");
  EXPECT_EQ(options->sidecar_program, "/bin/true");
  EXPECT_EQ(options->registry.to_string(), "https://mesh.test/a");
}

TEST(RuntimeOptions, AnAddressThatIsNoneIsNamed) {
  for (const char* const url : {"nonsense", "ws://127.0.0.1:1", "ftp://127.0.0.1", "http://"}) {
    const auto options = read_runtime_options(from({{"REGISTRY_URL", url}}));
    ASSERT_FALSE(options) << url;
    EXPECT_EQ(options.error().code, Errc::bad_request);
    EXPECT_THAT(options.error().context, HasSubstr(url));
  }
}

TEST(SidecarLinkOptions, ASocketThatIsNamedBelongsToSomebodyElse) {
  Runtime::Options options;
  options.socket = "/run/s.sock";
  const auto link = sidecar_link_options(options, from({}));
  ASSERT_TRUE(link);
  EXPECT_EQ(link->socket, "/run/s.sock");
  EXPECT_EQ(link->program, "");
  EXPECT_TRUE(link->environment.empty());
}

Runtime::Options with_program() {
  Runtime::Options options;
  options.self = AgentId("a/lice");
  options.sidecar_program = "/bin/sh";
  options.api_key = "k";
  options.registry = *net::Url::parse("https://mesh.test:444/a/");
  return options;
}

TEST(SidecarLinkOptions, AChildIsToldWhereEverythingIs) {
  const auto link = sidecar_link_options(with_program(), from({{"XDG_RUNTIME_DIR", "/run/me"}}));
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(link->program, "/bin/sh");
  const std::string pid = std::to_string(::getpid());
  EXPECT_EQ(link->socket, "/run/me/chatixia/a_lice-" + pid + ".sock");
  EXPECT_EQ(link->environment, (Variables{{"IPC_SOCKET", link->socket},
                                          {"CHATIXIA_PARENT_PID", pid},
                                          {"API_KEY", "k"},
                                          {"SIGNALING_URL", "wss://mesh.test:444/a/ws"},
                                          {"TOKEN_URL", "https://mesh.test:444/a/api/token"}}));
}

TEST(SidecarLinkOptions, WhatWasSetByHandStays) {
  auto options = with_program();
  options.api_key = "";
  const auto link = sidecar_link_options(
      options, from({{"SIGNALING_URL", "ws://other/ws"}, {"TOKEN_URL", "http://other/t"}}));
  ASSERT_TRUE(link);
  for (const char* const name : {"SIGNALING_URL", "TOKEN_URL", "API_KEY"})
    EXPECT_FALSE(link->environment.contains(name)) << name;
}

TEST(SidecarLinkOptions, ALongNameStillFitsIntoASocketAddress) {
  auto options = with_program();
  options.self = AgentId(std::string(200, 'x'));
  const auto link = sidecar_link_options(options, from({}));
  ASSERT_TRUE(link);
  EXPECT_LT(link->socket.size(), 108u);
  EXPECT_THAT(link->socket, testing::StartsWith("/tmp/chatixia-"));
}

TEST(SidecarLinkOptions, WithoutAProgramThereIsNoLink) {
  Runtime::Options options;
  const auto link = sidecar_link_options(options, from({{"PATH", "/nowhere"}}));
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code, Errc::sidecar_not_found);
}

}  // namespace
}  // namespace chatixia::agent
