#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/digest.hpp"
#include "crypto/encoding.hpp"
#include "crypto/random.hpp"
#include "rtc/ice/agent.hpp"
#include "rtc/ice/gatherer.hpp"

// The gatherer and its TURN client against a real coturn on loopback.
namespace chatixia::rtc::ice {
namespace {

using namespace std::chrono_literals;

Instant now() {
  return std::chrono::steady_clock::now();
}

// A UDP socket on 127.0.0.1 at a port of the kernel's choice.
class LoopbackSocket {
 public:
  LoopbackSocket() : fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    local_ = {IpAddress::v4(INADDR_LOOPBACK), ntohs(address.sin_port)};
  }
  ~LoopbackSocket() { close(fd_); }
  LoopbackSocket(const LoopbackSocket&) = delete;
  LoopbackSocket& operator=(const LoopbackSocket&) = delete;

  const Endpoint& local() const { return local_; }

  void send(const Endpoint& to, Bytes bytes) const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(ByteReader(to.ip.bytes()).u32());
    address.sin_port = htons(to.port);
    sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&address),
           sizeof address);
  }
  // Fills `bytes`, into which the datagram looks; nothing when the wait is over.
  std::optional<Datagram> receive(Buffer& bytes, Duration wait) const {
    pollfd ready{fd_, POLLIN, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait);
    if (poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(ms.count(), 0))) <= 0)
      return std::nullopt;
    bytes.resize(65536);
    sockaddr_in from{};
    socklen_t from_size = sizeof from;
    const ssize_t size = recvfrom(fd_, bytes.data(), bytes.size(), 0,
                                  reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(size));
    return Datagram{
        local_, {IpAddress::v4(ntohl(from.sin_addr.s_addr)), ntohs(from.sin_port)}, bytes};
  }

 private:
  int fd_;
  Endpoint local_;
};

// A coturn process of this test alone, with a secret drawn for it; it ends with the object.
class Coturn {
 public:
  Coturn() {
    char pattern[] = "/tmp/chatixia-coturn-XXXXXX";
    folder_ = mkdtemp(pattern);
    address_ = LoopbackSocket().local();
    secret_ = crypto::to_hex(random_.bytes(16));
    const std::string config = folder_ / "turnserver.conf";
    std::ofstream(config) << "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port="
                          << address_.port << "\nuse-auth-secret\nstatic-auth-secret=" << secret_
                          << "\nrealm=example.org\nallow-loopback-peers\nno-multicast-peers\n"
                             "no-cli\nno-tls\nno-dtls\nsimple-log\n"
                          << "userdb=" << (folder_ / "turndb").string()
                          << "\nlog-file=" << (folder_ / "log").string()
                          << "\npidfile=" << (folder_ / "pid").string() << "\n";
    process_ = fork();
    if (process_ == 0) {
      const int null = open("/dev/null", O_WRONLY);
      dup2(null, STDOUT_FILENO);
      dup2(null, STDERR_FILENO);
      execl(COTURN_PROGRAM, COTURN_PROGRAM, "-c", config.c_str(), nullptr);
      _exit(127);
    }
  }
  ~Coturn() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }
  Coturn(const Coturn&) = delete;
  Coturn& operator=(const Coturn&) = delete;

  const Endpoint& address() const { return address_; }

  // The time-limited credentials of coturn's REST convention.
  Server server() const {
    const auto expiry = std::chrono::duration_cast<std::chrono::seconds>(
                            std::chrono::system_clock::now().time_since_epoch() + 1h)
                            .count();
    const std::string username = std::to_string(expiry) + ":test";
    return {Server::Kind::turn, address_, username,
            crypto::to_base64(crypto::hmac_sha1(as_bytes(secret_), as_bytes(username)))};
  }

 private:
  crypto::SystemRandom random_;
  std::filesystem::path folder_;
  Endpoint address_;
  std::string secret_;
  pid_t process_ = -1;
};

// Runs a gatherer on a real socket and a real clock.
class TurnOverCoturn : public ::testing::Test {
 protected:
  void drain() {
    while (auto transmit = gatherer.poll_transmit()) socket.send(transmit->remote, transmit->bytes);
    while (auto event = gatherer.poll_event())
      if (auto* failed = std::get_if<Gatherer::ServerFailed>(&*event)) failure = failed->reason;
  }
  // One datagram or one deadline. Relayed payloads go to `received`.
  void step(Duration wait_max) {
    drain();
    Buffer bytes;
    const Duration wait = std::min<Duration>(gatherer.next_timeout() - now(), wait_max);
    if (const auto datagram = socket.receive(bytes, wait)) {
      const auto handled = gatherer.handle_datagram(now(), *datagram);
      if (const auto* inner = std::get_if<Datagram>(&handled))
        received.push_back(
            {inner->local, inner->remote, Buffer(inner->bytes.begin(), inner->bytes.end())});
    }
    if (gatherer.next_timeout() <= now()) gatherer.handle_timeout(now());
    drain();
  }
  template <class Condition>
  bool run_until(Condition done, Duration limit) {
    const Instant end = now() + limit;
    while (!done() && now() < end) step(50ms);
    return done();
  }
  std::optional<Candidate> relayed_candidate() const {
    for (const Candidate& candidate : gatherer.candidates())
      if (candidate.type == CandidateType::relayed) return candidate;
    return std::nullopt;
  }
  // A first contact may meet a server that is still starting; asking again is cheap.
  bool allocate(const Coturn& coturn) {
    gatherer.set_host_addresses(now(), {socket.local()});
    gatherer.set_servers(now(), {coturn.server()});
    return run_until([&] { return relayed_candidate().has_value(); }, 7s);
  }

  crypto::SystemRandom random;
  LoopbackSocket socket;
  Gatherer gatherer{random, now()};
  std::string failure;
  std::vector<Transmit> received;
};

TEST_F(TurnOverCoturn, CarriesDataBothWaysByIndicationAndByChannel) {
  const Coturn coturn;
  ASSERT_TRUE(allocate(coturn)) << failure;
  const Endpoint relayed = relayed_candidate()->address;
  EXPECT_TRUE(gatherer.completed());
  EXPECT_TRUE(gatherer.is_relayed(relayed));

  const LoopbackSocket peer;
  for (int i = 0; i < 40; ++i) {
    const std::string text = "datagram " + std::to_string(i);
    gatherer.send_relayed(now(), {relayed, peer.local(), Buffer(text.begin(), text.end())});
    step(20ms);
    Buffer bytes;
    std::optional<Datagram> arrived;
    for (int wait = 0; wait < 100 && !arrived; ++wait) {
      step(1ms);
      arrived = peer.receive(bytes, 5ms);
    }
    ASSERT_TRUE(arrived) << text;
    EXPECT_EQ(arrived->remote, relayed);
    EXPECT_EQ(as_text(arrived->bytes), text);

    received.clear();
    peer.send(relayed, as_bytes("answer to " + text));
    ASSERT_TRUE(run_until([&] { return !received.empty(); }, 2s)) << text;
    EXPECT_EQ(received[0].local, relayed);
    EXPECT_EQ(received[0].remote, peer.local());
    EXPECT_EQ(as_text(received[0].bytes), "answer to " + text);
  }
  gatherer.close(now());
  drain();
}

TEST_F(TurnOverCoturn, SaysThatTheCredentialIsWrong) {
  const Coturn coturn;
  Server server = coturn.server();
  server.credential = "wrong";
  gatherer.set_host_addresses(now(), {socket.local()});
  gatherer.set_servers(now(), {server});
  ASSERT_TRUE(run_until([&] { return !failure.empty(); }, 9s));
  EXPECT_NE(failure.find("credential"), std::string::npos) << failure;
}

TEST_F(TurnOverCoturn, CoturnAnswersBindingRequestsToo) {
  const Coturn coturn;
  gatherer.set_host_addresses(now(), {socket.local()});
  gatherer.set_servers(now(), {{Server::Kind::stun, coturn.address(), "", ""}});
  ASSERT_TRUE(run_until([&] { return gatherer.completed(); }, 9s));
  EXPECT_EQ(failure, "");
  EXPECT_EQ(gatherer.candidates().size(), 1u);  // no NAT on loopback
}

// One agent has only its relayed candidate, the other only its socket.
TEST_F(TurnOverCoturn, TwoAgentsFindEachOtherThroughTheRelay) {
  const Coturn coturn;
  ASSERT_TRUE(allocate(coturn)) << failure;
  const LoopbackSocket other;
  Candidate host;
  host.foundation = "1";
  host.priority = candidate_priority(CandidateType::host, 65535);
  host.address = host.base = other.local();

  Agent a({.role = Role::controlling}, Credentials::make(random), random, now());
  Agent b({.role = Role::controlled}, Credentials::make(random), random, now());
  a.add_local_candidate(now(), *relayed_candidate());
  b.add_local_candidate(now(), host);
  for (const auto& [from, to, candidate] :
       {std::tuple{&a, &b, *relayed_candidate()}, std::tuple{&b, &a, host}}) {
    to->set_remote_credentials(now(), from->local_credentials());
    to->add_remote_candidate(now(), candidate);
    to->end_of_remote_candidates(now());
    from->end_of_local_candidates(now());
  }

  const Instant end = now() + 5s;
  while (!(a.is_selected() && b.is_selected()) && now() < end) {
    while (auto transmit = a.poll_transmit()) gatherer.send_relayed(now(), std::move(*transmit));
    while (auto transmit = b.poll_transmit()) other.send(transmit->remote, transmit->bytes);
    step(1ms);
    for (const Transmit& inner : received)
      a.handle_stun(now(), {inner.local, inner.remote, inner.bytes});
    received.clear();
    Buffer bytes;
    if (const auto datagram = other.receive(bytes, 1ms)) b.handle_stun(now(), *datagram);
    for (Agent* agent : {&a, &b})
      if (agent->next_timeout() <= now()) agent->handle_timeout(now());
  }
  ASSERT_TRUE(a.is_selected() && b.is_selected());
  EXPECT_EQ(a.route()->local_type, CandidateType::relayed);
  EXPECT_EQ(b.route()->remote, relayed_candidate()->address);
}

}  // namespace
}  // namespace chatixia::rtc::ice
