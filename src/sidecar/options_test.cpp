#include "sidecar/options.hpp"

#include <fstream>
#include <map>

#include <gtest/gtest.h>

#include "support/temp_dir.hpp"

namespace chatixia::sidecar {
namespace {

Result<Options> read(std::map<std::string, std::string> variables) {
  return read_options([variables = std::move(variables)](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(Options, HasTheDefaultsThatAgentsOf04RelyOn) {
  const auto options = read({});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->signaling_url, "ws://localhost:8080/ws");
  EXPECT_EQ(options->token_url, "http://localhost:8080/api/token");
  EXPECT_EQ(options->ipc_socket, "/tmp/chatixia-sidecar.sock");
  EXPECT_FALSE(options->relay_only);
}

TEST(Options, PutsTheSocketIntoThePrivateRuntimeFolderWhereThereIsOne) {
  EXPECT_EQ(read({{"XDG_RUNTIME_DIR", "/run/user/7"}})->ipc_socket,
            "/run/user/7/chatixia/sidecar.sock");
  EXPECT_EQ(read({{"XDG_RUNTIME_DIR", "/run/user/7"}, {"IPC_SOCKET", "/x/y"}})->ipc_socket, "/x/y");
}

TEST(Options, ReadsListsAndPolicies) {
  const auto options = read({{"CHATIXIA_ICE_ADDRESSES", "127.0.0.1,::1"},
                             {"ICE_TRANSPORT_POLICY", "relay"},
                             {"CHATIXIA_UDP_PORT", "4000"},
                             {"CHATIXIA_PARENT_PID", "77"}});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->ice_addresses.size(), 2U);
  EXPECT_TRUE(options->relay_only);
  EXPECT_EQ(options->udp_port, 4000);
  EXPECT_EQ(options->parent_pid, 77);
}

TEST(Options, TakesTheFirstLineOfAKeyFileWhateverEndsIt) {
  const test::TempDir files;
  const std::string path = files.path("agent.key");
  for (const std::string text : {"ak_one", "ak_one\n", "ak_one\r\n", "ak_one \nak_two\n"}) {
    std::ofstream(path) << text;
    EXPECT_EQ(read({{"API_KEY_FILE", path}})->api_key, "ak_one");
  }
  for (const std::string text : {"", "\n", "\r\n"}) {
    std::ofstream(path) << text;
    EXPECT_FALSE(read({{"API_KEY_FILE", path}}));
  }
}

TEST(Options, NamesTheVariableThatIsWrongAndWhatItTakes) {
  struct Case {
    std::string name, value, shown;
  };
  for (const auto& [name, value, shown] :
       {Case{"ICE_TRANSPORT_POLICY", "direct", "relay"},
        Case{"CHATIXIA_ICE_ADDRESSES", "127.0.0.1,localhost", "localhost"},
        Case{"CHATIXIA_UDP_PORT", "65536", "65535"}, Case{"CHATIXIA_UDP_PORT", "4000x", "4000x"},
        Case{"CHATIXIA_PARENT_PID", "me", "me"}, Case{"CHATIXIA_BUSY_POLL_US", "-1", "10000"},
        Case{"CHATIXIA_LOG", "warn", "warning"}, Case{"CHATIXIA_LOG_FORMAT", "jsn", "json"},
        Case{"API_KEY_FILE", "/nowhere/at/all", "/nowhere/at/all"}}) {
    const auto options = read({{name, value}});
    ASSERT_FALSE(options) << name << "=" << value;
    EXPECT_NE(options.error().message().find(name), std::string::npos);
    EXPECT_NE(options.error().message().find(shown), std::string::npos) << options.error().context;
  }
}

}  // namespace
}  // namespace chatixia::sidecar
