#include "net/line_socket.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "net/unique_fd.hpp"
#include "support/temp_dir.hpp"
#include "support/test_loop.hpp"

namespace chatixia::net {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;

// Both ends of a connection on one loop.
class LineTest : public testing::Test {
 protected:
  struct End {
    std::shared_ptr<LineConnection> connection;
    std::vector<std::string> lines;
    int oversized = 0;
    int writable = 0;
    std::optional<std::string> closed;

    LineConnection::Handlers handlers() {
      return {.on_line = [this](std::string_view line) { lines.emplace_back(line); },
              .on_oversized = [this] { ++oversized; },
              .on_closed = [this](std::string reason) { closed = std::move(reason); },
              .on_writable = [this] { ++writable; }};
    }
  };

  void listen() {
    auto made = LineServer::listen(loop, path, options, [this](auto connection) {
      server.connection = std::move(connection);
    });
    ASSERT_TRUE(made.has_value()) << made.error().message();
    acceptor = std::move(*made);
  }

  void connect() {
    listen();
    auto made = LineConnection::connect(loop, path, options);
    ASSERT_TRUE(made.has_value()) << made.error().message();
    client.connection = std::move(*made);
    ASSERT_TRUE(loop.run_until([&] { return server.connection != nullptr; }));
  }

  void start() {
    connect();
    server.connection->start(server.handlers());
    client.connection->start(client.handlers());
  }

  static UniqueFd raw_socket() {
    return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
  sockaddr_un address() const {
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    std::memcpy(out.sun_path, path.data(), path.size());
    return out;
  }
  UniqueFd raw_connect() const {
    UniqueFd fd = raw_socket();
    const auto to = address();
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
    return fd;
  }
  UniqueFd raw_bind() const {
    UniqueFd fd = raw_socket();
    const auto to = address();
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
    return fd;
  }
  // The message of a refused listen(), or "" when it worked.
  std::string refusal() {
    const auto made = LineServer::listen(loop, path, options, [](auto) {});
    return made ? "" : made.error().message();
  }

  test::TempDir directory;
  test::TestLoop loop;
  std::string path = directory.path("s");
  LineConnection::Options options{.line_bytes_max = 1000, .queue_bytes_max = 1024 * 1024};
  End client, server;
  std::unique_ptr<LineServer> acceptor;
};

TEST_F(LineTest, CarriesLinesBothWays) {
  start();
  EXPECT_TRUE(client.connection->send_line("ping"));
  EXPECT_TRUE(server.connection->send_line(""));
  EXPECT_TRUE(server.connection->send_line("pong"));
  ASSERT_TRUE(loop.run_until([&] { return server.lines.size() == 1 && client.lines.size() == 2; }));
  EXPECT_EQ(server.lines[0], "ping");
  EXPECT_EQ(client.lines, (std::vector<std::string>{"", "pong"}));
}

TEST_F(LineTest, ReportsALineAboveTheLimitAndGoesOn) {
  start();
  const auto send = [&](std::size_t size) {
    EXPECT_TRUE(client.connection->send_line(std::string(size, 'x')));
  };
  send(1000);
  send(1001);
  send(1);
  ASSERT_TRUE(loop.run_until([&] { return server.lines.size() == 2; }));
  EXPECT_EQ(server.oversized, 1);
  EXPECT_EQ(server.lines[0].size(), 1000U);
}

TEST_F(LineTest, SendsTheLinesOfOneTurnTogether) {
  connect();
  const UniqueFd raw = raw_connect();
  server.connection = nullptr;
  ASSERT_TRUE(loop.run_until([&] { return server.connection != nullptr; }));
  server.connection->start(server.handlers());
  loop.post([&] {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(server.connection->send_line("abc"));
    EXPECT_EQ(server.connection->queued_bytes(), 12U);
    char byte = 0;
    EXPECT_EQ(::recv(raw.get(), &byte, 1, MSG_DONTWAIT), -1);
    loop.stop();  // the turn still comes to its end
  });
  loop.run();
  EXPECT_EQ(server.connection->queued_bytes(), 0U);
  std::array<char, 100> bytes;
  EXPECT_EQ(::recv(raw.get(), bytes.data(), bytes.size(), MSG_DONTWAIT), 12);
}

TEST_F(LineTest, CutsLinesThatArriveByteByByte) {
  listen();
  const UniqueFd raw = raw_connect();
  ASSERT_TRUE(loop.run_until([&] { return server.connection != nullptr; }));
  server.connection->start(server.handlers());
  for (const char c : std::string_view("ab\n\nc\n")) {
    ASSERT_EQ(::send(raw.get(), &c, 1, 0), 1);
    loop.run_for(2ms);
  }
  ASSERT_TRUE(loop.run_until([&] { return server.lines.size() == 3; }));
  EXPECT_EQ(server.lines, (std::vector<std::string>{"ab", "", "c"}));
}

TEST_F(LineTest, DropsAnUnfinishedLineWhenTheOtherSideLeaves) {
  listen();
  UniqueFd raw = raw_connect();
  ASSERT_TRUE(loop.run_until([&] { return server.connection != nullptr; }));
  server.connection->start(server.handlers());
  ASSERT_EQ(::send(raw.get(), "whole\nhalf", 10, 0), 10);
  raw.reset();
  ASSERT_TRUE(loop.run_until([&] { return server.closed.has_value(); }));
  EXPECT_EQ(server.lines, std::vector<std::string>{"whole"});
  EXPECT_EQ(server.closed, "");
}

TEST_F(LineTest, BoundsTheQueueOfASlowReaderAndSaysWhenThereIsRoom) {
  connect();
  server.connection->start(server.handlers());
  const std::string line(999, 'x');
  int taken = 0;
  // The client does not read yet; beyond the kernel's buffer the queue fills.
  while (server.connection->send_line(line) && taken < 100'000) {
    ++taken;
    loop.run_for(0ms);
  }
  ASSERT_LT(taken, 100'000);
  EXPECT_LE(server.connection->queued_bytes(), options.queue_bytes_max);
  EXPECT_GT(server.connection->queued_bytes(), options.queue_bytes_max - 1000);
  EXPECT_EQ(server.writable, 0);

  client.connection->start(client.handlers());
  ASSERT_TRUE(loop.run_until([&] { return server.writable > 0; }));
  ASSERT_TRUE(
      loop.run_until([&] { return client.lines.size() == static_cast<std::size_t>(taken); }));
  EXPECT_EQ(server.writable, 1);
  EXPECT_TRUE(std::ranges::all_of(client.lines, [&](const auto& l) { return l == line; }));
}

TEST_F(LineTest, DeliversWhatWasQueuedBeforeClose) {
  options.queue_bytes_max = 8 * 1024 * 1024;
  start();
  constexpr int count = 4000;  // more than the kernel's buffer
  for (int i = 0; i < count; ++i) ASSERT_TRUE(client.connection->send_line(std::string(900, 'x')));
  client.connection->close();
  EXPECT_FALSE(client.connection->send_line("late"));
  EXPECT_FALSE(client.closed.has_value());
  ASSERT_TRUE(loop.run_until([&] { return server.closed && client.closed; }));
  EXPECT_EQ(server.lines.size(), std::size_t{count});
}

TEST_F(LineTest, ClosesInTimeThoughNobodyReads) {
  options.close_within = 20ms;
  connect();
  client.connection->start(client.handlers());
  for (int i = 0; i < 900; ++i) ASSERT_TRUE(client.connection->send_line(std::string(999, 'x')));
  const Instant before = now();
  client.connection->close();
  ASSERT_TRUE(loop.run_until([&] { return client.closed.has_value(); }));
  EXPECT_GE(now() - before, 20ms);
  EXPECT_THAT(*client.closed, HasSubstr("did not read"));
}

TEST_F(LineTest, GivesBackWhatItCouldNotSend) {
  options.queue_bytes_max = 8 * 1024 * 1024;
  connect();
  server.connection->start(server.handlers());
  constexpr std::size_t count = 5000;
  const auto line = [](std::size_t i) { return std::to_string(i) + std::string(900, 'x'); };
  for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(server.connection->send_line(line(i)));
  loop.run_for(1ms);
  const auto unsent = server.connection->take_unsent();
  EXPECT_EQ(server.connection->queued_bytes(), 0U);
  server.connection->close();

  client.connection->start(client.handlers());
  ASSERT_TRUE(loop.run_until([&] { return client.closed.has_value(); }));
  const std::size_t cut = unsent.is_cut ? 1 : 0;
  ASSERT_EQ(client.lines.size() + cut + unsent.lines.size(), count);
  for (std::size_t i = 0; i < client.lines.size(); ++i) EXPECT_EQ(client.lines[i], line(i));
  for (std::size_t i = 0; i < unsent.lines.size(); ++i)
    EXPECT_EQ(unsent.lines[i], line(client.lines.size() + cut + i));
}

TEST_F(LineTest, GivesBackWhatTheOtherSideLeft) {
  options.queue_bytes_max = 8 * 1024 * 1024;
  start();
  client.connection = nullptr;
  ASSERT_TRUE(server.connection->send_line("to nobody"));
  ASSERT_TRUE(loop.run_until([&] { return server.closed.has_value(); }));
  const auto unsent = server.connection->take_unsent();
  EXPECT_EQ(unsent.lines, std::vector<std::string>{"to nobody"});
  EXPECT_FALSE(unsent.is_cut);
}

TEST_F(LineTest, FlushesWhatADestroyedConnectionHadQueued) {
  start();
  ASSERT_TRUE(client.connection->send_line("last words"));
  client.connection = nullptr;
  ASSERT_TRUE(loop.run_until([&] { return server.closed.has_value(); }));
  EXPECT_EQ(server.lines, std::vector<std::string>{"last words"});
  EXPECT_FALSE(client.closed.has_value());
}

TEST_F(LineTest, MayBeDestroyedByEachOfItsHandlers) {
  connect();
  int calls = 0;
  const auto drop = [&] {
    ++calls;
    server.connection = nullptr;
  };
  for (int round = 0; round < 3; ++round) {
    if (round > 0) {
      client.connection = *LineConnection::connect(loop, path, options);
      ASSERT_TRUE(loop.run_until([&] { return server.connection != nullptr; }));
    }
    client.connection->start({});
    server.connection->start({.on_line = [&](std::string_view) { drop(); },
                              .on_oversized = drop,
                              .on_closed = [&](const std::string&) { drop(); }});
    if (round == 0) EXPECT_TRUE(client.connection->send_line("a"));
    if (round == 0) EXPECT_TRUE(client.connection->send_line("b"));
    if (round == 1) EXPECT_TRUE(client.connection->send_line(std::string(2000, 'x')));
    if (round == 2) client.connection->close();
    ASSERT_TRUE(loop.run_until([&] { return server.connection == nullptr; }));
    loop.run_for(5ms);
    EXPECT_EQ(calls, round + 1);
  }
}

TEST_F(LineTest, MayHoldItselfInItsHandlersWithoutALeak) {
  connect();
  const std::weak_ptr<LineConnection> watch = server.connection;
  server.connection->start({.on_line = [held = server.connection](std::string_view) {}});
  server.connection = nullptr;
  client.connection = nullptr;
  EXPECT_TRUE(loop.run_until([&] { return watch.expired(); }));
}

TEST_F(LineTest, SurvivesTheLoopWithOperationsUnderWay) {
  auto own = std::make_unique<test::TestLoop>();
  std::shared_ptr<LineConnection> accepted;
  auto made =
      LineServer::listen(*own, path, options, [&](auto other) { accepted = std::move(other); });
  ASSERT_TRUE(made.has_value());
  auto connection = *LineConnection::connect(*own, path, options);
  connection->start({.on_closed = [](const std::string&) { FAIL(); }});
  EXPECT_TRUE(connection->send_line("never sent"));
  own->run_for(2ms);
  EXPECT_TRUE(connection->send_line("never sent"));
  connection.reset();
  accepted.reset();
  made->reset();
  own.reset();
}

TEST_F(LineTest, MayDieWithTheLoopItself) {
  auto own = std::make_unique<test::TestLoop>();
  auto made = LineServer::listen(*own, path, options, [](auto) {});
  ASSERT_TRUE(made.has_value());
  auto connection = *LineConnection::connect(*own, path, options);
  connection->start({});
  EXPECT_TRUE(connection->send_line("never sent"));
  own->post([held = std::move(connection)] {});
  own->post([held = std::move(*made)] {});
  own.reset();
}

TEST_F(LineTest, TakesSixteenConnectionsAndClosesTheRest) {
  std::vector<std::shared_ptr<LineConnection>> accepted;
  auto made = LineServer::listen(loop, path, options,
                                 [&](auto connection) { accepted.push_back(connection); });
  ASSERT_TRUE(made.has_value());
  std::vector<UniqueFd> clients;
  clients.reserve(20);
  for (int i = 0; i < 20; ++i) clients.push_back(raw_connect());
  char byte = 0;
  ASSERT_TRUE(
      loop.run_until([&] { return ::recv(clients.back().get(), &byte, 1, MSG_DONTWAIT) == 0; }));
  EXPECT_EQ(accepted.size(), 16U);

  accepted.pop_back();
  ASSERT_TRUE(
      loop.run_until([&] { return ::recv(clients[15].get(), &byte, 1, MSG_DONTWAIT) == 0; }));
  clients.push_back(raw_connect());
  EXPECT_TRUE(loop.run_until([&] { return accepted.size() == 16; }));
}

TEST_F(LineTest, MakesAPrivateSocketInAPrivateDirectory) {
  path = directory.path("made") + "/s";
  listen();
  struct stat info{};
  ASSERT_EQ(::stat(directory.path("made").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
  ASSERT_EQ(::lstat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  acceptor.reset();
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(LineTest, LeavesAFileThatIsNoLongerItsOwn) {
  listen();
  fs::remove(path);
  std::ofstream(path) << "someone else's";
  acceptor.reset();
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(LineTest, RefusesASymbolicLink) {
  fs::create_symlink(directory.path("elsewhere"), path);
  EXPECT_THAT(refusal(), HasSubstr("is a symbolic link"));
  EXPECT_FALSE(fs::exists(directory.path("elsewhere")));
}

TEST_F(LineTest, RefusesAFileThatIsNotASocket) {
  std::ofstream(path) << "precious";
  EXPECT_THAT(refusal(), HasSubstr("is not a socket"));
  EXPECT_EQ(fs::file_size(path), 8U);
}

TEST_F(LineTest, RefusesASocketThatSomebodyServes) {
  listen();
  EXPECT_THAT(refusal(), HasSubstr("another process listens at"));
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(LineTest, TakesOverASocketThatNobodyServes) {
  raw_bind();
  ASSERT_TRUE(fs::exists(path));
  connect();
}

TEST_F(LineTest, RefusesADirectoryThatOthersCanWrite) {
  ASSERT_EQ(::chmod(directory.path().c_str(), 0777), 0);
  EXPECT_THAT(refusal(), HasSubstr("can be written by other users"));
  ASSERT_EQ(::chmod(directory.path().c_str(), 01777), 0);
  EXPECT_EQ(refusal(), "");
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  EXPECT_EQ(refusal(), "");
}

TEST_F(LineTest, RefusesADirectoryThatIsNone) {
  std::ofstream(directory.path("file")) << "";
  path = directory.path("file") + "/s";
  EXPECT_THAT(refusal(), HasSubstr("Not a directory"));
  path = directory.path("missing/deeper/s");
  EXPECT_THAT(refusal(), HasSubstr("No such file or directory"));
}

TEST_F(LineTest, RefusesForeignFilesAndDirectories) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t nobody = 65'534;
  raw_bind();
  ASSERT_EQ(::lchown(path.c_str(), nobody, nobody), 0);
  EXPECT_THAT(refusal(), HasSubstr(path + " belongs to another user"));

  fs::create_directory(directory.path("foreign"));
  ASSERT_EQ(::chown(directory.path("foreign").c_str(), nobody, nobody), 0);
  path = directory.path("foreign") + "/s";
  EXPECT_THAT(refusal(), HasSubstr("foreign belongs to another user"));

  fs::create_directory(directory.path("real"));
  fs::create_directory_symlink(directory.path("real"), directory.path("link"));
  ASSERT_EQ(::lchown(directory.path("link").c_str(), nobody, nobody), 0);
  path = directory.path("link") + "/s";
  EXPECT_THAT(refusal(), HasSubstr("link is a symbolic link"));
}

TEST_F(LineTest, RefusesConnectionsOfOtherUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  listen();
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  constexpr uid_t nobody = 65'534;
  ASSERT_EQ(::seteuid(nobody), 0);
  const UniqueFd raw = raw_connect();
  ASSERT_EQ(::seteuid(0), 0);
  char byte = 0;
  EXPECT_TRUE(loop.run_until([&] { return ::recv(raw.get(), &byte, 1, MSG_DONTWAIT) == 0; }));
  EXPECT_EQ(server.connection, nullptr);
}

TEST_F(LineTest, SaysWhyItCannotConnect) {
  const auto missing = LineConnection::connect(loop, path, options);
  ASSERT_FALSE(missing.has_value());
  EXPECT_THAT(missing.error().message(),
              HasSubstr("No such file or directory: connect to " + path));
  raw_bind();
  const auto stale = LineConnection::connect(loop, path, options);
  ASSERT_FALSE(stale.has_value());
  EXPECT_EQ(stale.error().code, std::errc::connection_refused);
}

TEST_F(LineTest, RefusesAPathThatDoesNotFit) {
  path = directory.path(std::string(200, 'x'));
  EXPECT_THAT(refusal(), HasSubstr("1 to 107 bytes"));
  path = "";
  EXPECT_THAT(refusal(), HasSubstr("1 to 107 bytes"));
}

TEST_F(LineTest, LetsOnlyOneOfManyStartingAtOnceHaveAStaleSocket) {
  raw_bind();
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  std::array<test::TestLoop, 8> loops;
  std::array<std::unique_ptr<LineServer>, 8> servers;
  threads.reserve(servers.size());
  for (std::size_t i = 0; i < servers.size(); ++i)
    threads.emplace_back([&, i] {
      if (auto made = LineServer::listen(loops[i], path, options, [](auto) {})) {
        servers[i] = std::move(*made);
        ++won;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
}

}  // namespace
}  // namespace chatixia::net
