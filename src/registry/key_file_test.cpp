#include "registry/key_file.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/errc.hpp"
#include "registry/private_file.hpp"
#include "registry/state_dir.hpp"
#include "support/registry_fixture.hpp"

namespace chatixia::registry {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view one_key = R"({"keys":{"ak_one":{"peer_id":"bot-1"}}})";
const Instant start = test_start().instant;

void write(const std::string& path, std::string_view text) {
  ASSERT_TRUE(write_private_file(path, text, IfPresent::replace));
}

mode_t mode_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

TEST(PrivateFile, IsReadableByItsOwnerAlone) {
  const test::TempDir directory;
  const std::string path = directory.path("secret");
  write(path, "text");
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(read_private_file(path, 100), "text");
  EXPECT_EQ(read_private_file(path, 3).error().code, Errc::bad_configuration);
  for (const mode_t mode : {0640U, 0604U, 0620U}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto text = read_private_file(path, 100);
    ASSERT_FALSE(text);
    EXPECT_NE(text.error().message().find("chmod 600"), std::string::npos);
  }
}

TEST(PrivateFile, KeepsWhatIsThereWhenAsked) {
  const test::TempDir directory;
  const std::string path = directory.path("secret");
  write(path, "first");
  ASSERT_TRUE(write_private_file(path, "second", IfPresent::keep));
  EXPECT_EQ(read_private_file(path, 100), "first");
  write(path, "third");
  EXPECT_EQ(read_private_file(path, 100), "third");
  // Nothing temporary stays behind.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path("")),
                          std::filesystem::directory_iterator()),
            1);
}

TEST(PrivateFile, IsNeverADirectoryAndNeverMissing) {
  const test::TempDir directory;
  EXPECT_FALSE(read_private_file(directory.path(""), 100));
  EXPECT_FALSE(read_private_file(directory.path("missing"), 100));
  EXPECT_FALSE(write_private_file(directory.path("missing/file"), "x", IfPresent::replace));
}

TEST(PrivateDirectory, IsMadeWithItsParents) {
  const test::TempDir directory;
  ASSERT_TRUE(make_private_directory(directory.path("a/b/c")));
  EXPECT_EQ(mode_of(directory.path("a")), 0700U);
  EXPECT_EQ(mode_of(directory.path("a/b/c")), 0700U);
  ASSERT_TRUE(make_private_directory(directory.path("a/b/c")));
}

TEST(PrivateDirectory, IsRefusedWhenOthersMayWrite) {
  const test::TempDir directory;
  ASSERT_TRUE(make_private_directory(directory.path("a")));
  ASSERT_EQ(::chmod(directory.path("a").c_str(), 0770), 0);
  EXPECT_FALSE(make_private_directory(directory.path("a")));
  write(directory.path("file"), "");
  EXPECT_FALSE(make_private_directory(directory.path("file")));
}

TEST(PrivateFile, IsRefusedWhenItIsAnothersAndSoIsADirectory) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t nobody = 65'534;
  const test::TempDir files;
  const std::string path = files.path("x");
  ASSERT_TRUE(write_private_file(path, "x", IfPresent::replace));
  ASSERT_TRUE(make_private_directory(files.path("d")));
  ASSERT_EQ(::chown(path.c_str(), nobody, nobody), 0);
  ASSERT_EQ(::chown(files.path("d").c_str(), nobody, nobody), 0);

  const auto read = read_private_file(path, 100);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message(), testing::HasSubstr("another user"));
  const auto made = make_private_directory(files.path("d"));
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), testing::HasSubstr("another user"));
}

TEST(KeyFile, SeesAChangeWithinASecond) {
  const test::TempDir directory;
  const std::string path = directory.path("keys.json");
  write(path, one_key);
  auto file = KeyFile::open(path, start);
  ASSERT_TRUE(file);
  write(path, R"({"ak_two":{"peer_id":"bot-2"}})");
  EXPECT_TRUE(file->keys(start + 999ms).find("ak_one"));
  EXPECT_FALSE(file->keys(start + 1s).find("ak_one"));
  EXPECT_TRUE(file->keys(start + 1s).find("ak_two"));
}

TEST(KeyFile, KnowsANewKeyAtOnce) {
  const test::TempDir directory;
  const std::string path = directory.path("keys.json");
  write(path, one_key);
  auto file = KeyFile::open(path, start);
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->find(start, "ak_two"));
  write(path, R"({"ak_two":{"peer_id":"bot-2"}})");
  EXPECT_EQ(file->find(start, "ak_two"), as_agent("bot-2"));
}

TEST(KeyFile, KeepsItsKeysWhenAnEditBreaksIt) {
  const test::TempDir directory;
  const std::string path = directory.path("keys.json");
  write(path, one_key);
  auto file = KeyFile::open(path, start);
  write(path, "{");
  EXPECT_TRUE(file->keys(start + 1s).find("ak_one"));
  std::filesystem::remove(path);
  EXPECT_TRUE(file->keys(start + 2s).find("ak_one"));
  write(path, "{}");
  EXPECT_FALSE(file->keys(start + 3s).find("ak_one"));
}

TEST(KeyFile, IsRefusedAtTheStart) {
  const test::TempDir directory;
  const std::string path = directory.path("keys.json");
  EXPECT_FALSE(KeyFile::open(path, start));
  write(path, "{");
  EXPECT_EQ(KeyFile::open(path, start).error().code, Errc::bad_configuration);
  write(path, one_key);
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  EXPECT_EQ(KeyFile::open(path, start).error().code, Errc::bad_configuration);
}

TEST(KeyFile, TakesNewKeys) {
  const test::TempDir directory;
  const std::string path = directory.path("keys.json");
  SeededRandom random(3);
  const auto first = add_key(path, as_agent("bot-1"), random);
  const auto second = add_key(path, as_admin(), random);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(mode_of(path), 0600U);
  auto file = KeyFile::open(path, start);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->keys(start).find(*first), as_agent("bot-1"));
  EXPECT_EQ(file->keys(start).find(*second), as_admin());
  EXPECT_FALSE(add_key(path, as_agent("a\nb"), random));
  EXPECT_FALSE(add_key(directory.path("missing/keys.json"), as_admin(), random));
}

TEST(StateDir, MakesASecretAndAnAdminKeyOnce) {
  const test::TempDir directory;
  SeededRandom random(4);
  const auto state = StateDir::open(directory.path("state/registry"));
  ASSERT_TRUE(state);
  const auto secret = state->secret(random);
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->size(), 64U);
  EXPECT_EQ(state->secret(random), *secret);
  EXPECT_EQ(mode_of(state->secret_path()), 0600U);

  EXPECT_EQ(state->ensure_keys(random), true);
  const auto text = read_private_file(state->keys_path(), 1000);
  EXPECT_EQ(state->ensure_keys(random), false);
  EXPECT_EQ(read_private_file(state->keys_path(), 1000), *text);
  EXPECT_TRUE(ApiKeys::parse(*text)->names(PeerId("admin")));
}

TEST(StateDir, RefusesASecretThatOthersMayRead) {
  const test::TempDir directory;
  SeededRandom random(4);
  const auto state = StateDir::open(directory.path("state"));
  ASSERT_TRUE(state->secret(random));
  ASSERT_EQ(::chmod(state->secret_path().c_str(), 0644), 0);
  EXPECT_FALSE(state->secret(random));
  write(state->secret_path(), "short");
  EXPECT_FALSE(state->secret(random));
}

TEST(StateDir, FollowsTheXdgRules) {
  std::map<std::string, std::string, std::less<>> variables = {{"HOME", "/home/ada"}};
  const Environment environment = [&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
  EXPECT_EQ(default_state_dir(environment), "/home/ada/.local/state/chatixia/registry");
  variables["XDG_STATE_HOME"] = "/var/state";
  EXPECT_EQ(default_state_dir(environment), "/var/state/chatixia/registry");
  // The specification wants relative paths ignored.
  variables["XDG_STATE_HOME"] = "state";
  EXPECT_EQ(default_state_dir(environment), "/home/ada/.local/state/chatixia/registry");
}

TEST(Secrets, AreNeitherShortNorCopied) {
  EXPECT_TRUE(check_secret("2f1c77a09be34d58"));
  for (const std::string_view secret :
       {"", "secret", "fifteen-chars-x", "dev-secret-change-me", "CHANGE-ME-CHANGE-ME",
        "aaaaaaaaaaaaaaaaaaaa", "please-changeme-now-1234"})
    EXPECT_FALSE(check_secret(secret)) << secret;
}

}  // namespace
}  // namespace chatixia::registry
