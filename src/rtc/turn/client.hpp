#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/datagram.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "rtc/stun/transaction.hpp"
#include "rtc/turn/channel_table.hpp"

namespace chatixia::rtc::turn {

// How often a client looks for permissions and channels to refresh or forget.
inline constexpr Duration maintenance_interval = std::chrono::seconds(15);

// Datagrams held for one peer address until its permission is granted.
inline constexpr std::size_t pending_datagrams_max = 16;

// Peer addresses with a permission; beyond that, the one unused for longest is forgotten.
inline constexpr std::size_t permissions_max = 1024;

// One allocation on one TURN server over UDP: RFC 8656. It starts to allocate when it is made,
// refreshes until it is released, and wraps and unwraps what goes through it. An allocation that
// failed stays failed; whoever wants another makes a new client.
class Client {
 public:
  struct Options {
    Endpoint local;  // the address to talk to the server from
    Endpoint server;
    std::string username;
    std::string password;
  };

  struct Allocated {
    Endpoint relayed;
    std::optional<Endpoint> mapped;  // our address as the server sees it
  };
  struct Failed {
    std::string reason;
  };
  using Event = std::variant<Allocated, Failed>;

  struct NotMine {};
  struct Consumed {};
  // A Datagram is one from a peer: `local` is the relayed address, `bytes` a view into the input.
  using Handled = std::variant<NotMine, Consumed, Datagram>;

  Client(Options options, RandomSource& random, Instant now);

  Handled handle_datagram(Instant now, const Datagram& datagram);
  // Drops the datagram when there is no allocation, or the server refuses that peer.
  void send(Instant now, const Endpoint& peer, Bytes bytes);
  // Gives the allocation back; drain poll_transmit() once more, then destroy.
  void release(Instant now);

  void handle_timeout(Instant now);
  Instant next_timeout() const;
  std::optional<Transmit> poll_transmit();
  std::optional<Event> poll_event();

  const std::optional<Endpoint>& relayed() const { return relayed_; }
  const Endpoint& local() const { return options_.local; }
  const Endpoint& server() const { return options_.server; }

 private:
  enum class Kind { allocate, refresh, permission, channel, release };
  struct Request {
    stun::ClientTransaction transaction;
    Kind kind = Kind::allocate;
    Endpoint peer;
    int attempt = 1;  // counts the challenges it has met
  };
  struct Permission {
    enum class State { requested, granted, refused };
    State state = State::requested;
    Instant changed_at{};
    Instant used_at{};
    std::deque<std::pair<Endpoint, Buffer>> pending;
  };
  struct Authentication {
    std::string realm;
    std::string nonce;
    std::array<std::uint8_t, 16> key{};
  };

  void start_request(Instant now, Kind kind, const Endpoint& peer, int attempt);
  Buffer encode_request(const stun::TransactionId& id, Kind kind, const Endpoint& peer) const;
  bool has_request(Kind kind, const Endpoint& peer) const;

  Handled on_data(const stun::Message& message) const;
  void on_response(Instant now, const Request& request, const stun::Message& message);
  void on_success(Instant now, const Request& request, const stun::Message& message);
  void on_error(Instant now, const Request& request, const stun::Message& message);
  void on_allocated(Instant now, const stun::Message& message);
  bool take_challenge(const stun::Message& message);
  void on_mismatch(Instant now, const Request& request, std::string reason);
  void on_refused(Instant now, const Request& request, const std::string& reason);
  void fail(std::string reason);

  Permission& permission_for(Instant now, const Endpoint& peer);
  void on_permission_granted(Instant now, const Endpoint& peer);
  void send_indication(const Endpoint& peer, Bytes bytes);
  void count_towards_channel(Instant now, const Endpoint& peer);
  void maintain(Instant now);
  void emit(Buffer bytes);

  Options options_;
  RandomSource* random_;
  std::optional<Authentication> authentication_;
  std::optional<Endpoint> relayed_;
  bool ended_ = false;    // failed or released
  bool cleared_ = false;  // an allocation that an earlier client left behind was given back
  Instant refresh_at_ = never;
  Instant maintain_at_ = never;
  std::vector<Request> requests_;
  std::unordered_map<IpAddress, Permission> permissions_;
  ChannelTable channels_;
  std::deque<Transmit> transmits_;
  std::deque<Event> events_;
};

}  // namespace chatixia::rtc::turn
