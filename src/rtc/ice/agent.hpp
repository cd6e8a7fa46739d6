#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/datagram.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "rtc/ice/candidate.hpp"

namespace chatixia::rtc::ice {

enum class Role { controlling, controlled };

// RFC 8445, section 5.3: ufrag of at least 24 bits, password of at least 128 bits of randomness.
struct Credentials {
  std::string ufrag;
  std::string password;

  static Credentials make(RandomSource& random);
  bool operator==(const Credentials&) const = default;
};

// Where a datagram for the peer goes and where it leaves from.
struct Path {
  Endpoint local;  // a base: a host address, or a relayed address
  Endpoint remote;
  CandidateType local_type = CandidateType::host;
  CandidateType remote_type = CandidateType::host;

  bool operator==(const Path&) const = default;
};

enum class CheckOutcome {
  in_progress,
  succeeded,
  timed_out,  // or given up before
  error_response,
  role_conflict,     // answered with 487
  unexpected_source  // answered from or to other addresses than those of the check
};

// One connectivity check as it went, for people who ask why a link is slow or relayed.
struct CheckRecord {
  Candidate local;
  Candidate remote;
  Instant sent;
  std::optional<Instant> ended;
  CheckOutcome outcome = CheckOutcome::in_progress;
  std::uint16_t error_code = 0;  // with error_response
  bool triggered = false;
  bool nominating = false;
};

// A full ICE agent for one component over UDP: RFC 8445 with trickle (RFC 8838) and consent
// freshness (RFC 7675). It opens no socket; candidates are gathered elsewhere and added.
class Agent {
 public:
  struct Options {
    Role role = Role::controlling;
    // Ta: time between two new checks. RFC 8445, section 14 allows 5 ms and more.
    Duration pacing = std::chrono::milliseconds(5);
    // RTO of the first retransmission of a check; doubles each time (RFC 8489, section 6.2.1).
    Duration check_timeout = std::chrono::milliseconds(100);
    int check_transmissions = 7;
    // Consent is asked for about every `consent_interval` (randomised 0.8 to 1.2) and expires
    // `consent_lifetime` after the last answer.
    Duration consent_interval = std::chrono::seconds(5);
    Duration consent_lifetime = std::chrono::seconds(30);
    // Without any valid pair after this long, the agent fails.
    Duration give_up_after = std::chrono::seconds(30);
  };

  struct Selected {
    Path path;
  };  // a pair is selected, or another one now
  struct Disconnected {};  // consent expired: nothing may be sent
  struct Failed {
    std::string reason;
  };  // no pair works and no more will come
  using Event = std::variant<Selected, Disconnected, Failed>;

  Agent(Options options, Credentials local, RandomSource& random, Instant now);
  ~Agent();
  Agent(Agent&&) noexcept;
  Agent& operator=(Agent&&) noexcept;

  void add_local_candidate(Instant now, const Candidate& candidate);
  // The base is gone: nothing is checked from it any more, and a path that begins there is used
  // only until another one is found, should the base come back meanwhile.
  void remove_local_candidate(Instant now, const Endpoint& base);
  void end_of_local_candidates(Instant now);

  // Checks that arrived before the remote description are answered and remembered.
  void set_remote_credentials(Instant now, Credentials remote);
  void add_remote_candidate(Instant now, const Candidate& candidate);
  void end_of_remote_candidates(Instant now);

  // RFC 8445, section 9: new credentials on both sides; the selected path is used until a new
  // one is selected.
  void restart(Instant now, Credentials local, Role role);

  // Feeds a STUN message that came from anywhere; what is not authenticated is dropped.
  void handle_stun(Instant now, const Datagram& datagram);
  void handle_timeout(Instant now);
  Instant next_timeout() const;
  std::optional<Transmit> poll_transmit();
  std::optional<Event> poll_event();

  // The selected path; before nomination the best valid one; before that the one the last
  // authenticated check came from, so that an early DTLS flight is answered at once. Nothing
  // when no path has been authenticated or consent is lost.
  std::optional<Path> route() const;
  bool is_selected() const;
  // Whether an authenticated check has come from, or been answered by, this pair of addresses.
  // Only such datagrams may reach DTLS (the ClientHello race).
  bool is_authenticated(const Endpoint& local, const Endpoint& remote) const;

  // Whether the STUN message answers a check of ours, told by its transaction id alone.
  bool is_answer(Bytes message) const;
  // Whether a check of ours on this pair of addresses was answered: its remote address is no
  // forged one.
  bool is_proved(const Endpoint& local, const Endpoint& remote) const;

  const Credentials& local_credentials() const;
  const std::optional<Credentials>& remote_credentials() const;
  Role role() const;
  // Round-trip time of the last answered check on the selected pair.
  std::optional<Duration> rtt() const;
  // The last 256 checks, oldest first.
  const std::deque<CheckRecord>& log() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The ufrag of the receiver in a Binding request's USERNAME ("receiver:sender"), without any
// other validation, so that a shared socket can find the right agent.
std::optional<std::string> receiver_ufrag(Bytes stun_message);

}  // namespace chatixia::rtc::ice
