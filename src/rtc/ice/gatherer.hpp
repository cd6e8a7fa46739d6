#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/datagram.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "rtc/ice/candidate.hpp"

namespace chatixia::rtc::ice {

// A STUN or TURN server, already resolved to an address. UDP only.
struct Server {
  enum class Kind { stun, turn };
  Kind kind = Kind::stun;
  Endpoint address;
  std::string username;    // TURN only
  std::string credential;  // TURN only

  bool operator==(const Server&) const = default;
};

// Gathers local candidates once for a whole node and keeps them warm: host candidates from the
// addresses of the shared sockets, server-reflexive ones from STUN servers (refreshed to keep the
// NAT binding), one relayed candidate per TURN server (RFC 8656: allocation, permissions,
// channels). Relayed traffic passes through it: a relayed candidate's base is its relayed address,
// and whatever is sent from there is wrapped here.
class Gatherer {
 public:
  struct CandidateFound {
    Candidate candidate;
  };
  struct CandidateLost {
    Candidate candidate;
    std::string reason;
  };
  struct ServerFailed {
    Server server;
    std::string reason;
  };
  // Every server has answered or been given up; later finds still come as CandidateFound.
  struct Completed {};
  using Event = std::variant<CandidateFound, CandidateLost, ServerFailed, Completed>;

  struct NotMine {};   // for an ICE agent or DTLS
  struct Consumed {};  // was a server's answer
  // NotMine, Consumed, or a relayed datagram taken out of its wrapper: `local` is the relayed
  // address, `remote` the peer's, `bytes` a view into the input.
  using Handled = std::variant<NotMine, Consumed, Datagram>;

  Gatherer(RandomSource& random, Instant now);
  ~Gatherer();
  Gatherer(Gatherer&&) noexcept;
  Gatherer& operator=(Gatherer&&) noexcept;

  // Replaces the addresses that the node's sockets can be reached at on this host.
  void set_host_addresses(Instant now, const std::vector<Endpoint>& addresses);
  // Replaces the servers. Allocations on servers that stay are kept, whatever their credentials
  // are now: those serve the next allocation.
  void set_servers(Instant now, const std::vector<Server>& servers);
  // Releases allocations (a Refresh with lifetime zero each).
  void close(Instant now);

  Handled handle_datagram(Instant now, const Datagram& datagram);
  // Sends `transmit` whose `local` is a relayed address: makes the permission on first use and
  // holds up to 16 datagrams meanwhile, then wraps and sends. Silently drops what it must, as UDP.
  void send_relayed(Instant now, Transmit transmit);
  bool is_relayed(const Endpoint& local) const;
  // Whether it is an address of this host, which datagrams may leave from directly.
  bool is_host(const Endpoint& local) const;

  void handle_timeout(Instant now);
  Instant next_timeout() const;
  std::optional<Transmit> poll_transmit();
  std::optional<Event> poll_event();

  const std::vector<Candidate>& candidates() const;
  bool completed() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace chatixia::rtc::ice
