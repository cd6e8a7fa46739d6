#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "crypto/certificate.hpp"
#include "mesh/node.hpp"
#include "registry/local_bus.hpp"
#include "registry/signaling_hub.hpp"

namespace chatixia::sim {

// What one direction between two hosts does to datagrams.
struct Weather {
  double loss = 0;
  double duplication = 0;
  Duration delay = std::chrono::milliseconds(5);
  Duration jitter = Duration::zero();  // added at random to each datagram, so they overtake
  bool cut = false;
};

// A small world in one thread and virtual time: mesh nodes, the registry's signaling core and the
// links between them. What one sends, another receives, later, twice or never, as the seed says.
// It checks all the while that no message reaches the wrong peer, comes twice or out of order.
class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();

  struct Machine {
    bool same_address = false;  // as before the crash; otherwise a new one
    bool relay_only = false;  // behind a firewall that lets it reach a TURN server of its own only
  };
  // A new sidecar of this name, with the registry in reach; again after crash(): a new process.
  void boot(const std::string& name) { boot(name, {}); }
  void boot(const std::string& name, const Machine& machine);
  // The registry names other credentials for the TURN servers, which still know the old ones only.
  void renew_credentials();
  void crash(const std::string& name);      // gone without a word
  void shut_down(const std::string& name);  // says goodbye
  void stop_registry();                     // every signaling connection breaks
  void start_registry();                    // sidecars come back with jitter

  // For all pairs, or one direction of one pair.
  void set_weather(const Weather& weather) { weather_ = weather; }
  void set_weather(const std::string& from, const std::string& to, const Weather& weather) {
    special_[{from, to}] = weather;
  }
  void heal() {
    special_.clear();
    weather_ = {};
  }

  // Sends one numbered message; false when the node refused it at once.
  bool send(const std::string& from, const std::string& to);
  // Runs until `done` holds, for at most `limit` of virtual time. Whether it did.
  bool run_until(const std::function<bool()>& done, Duration limit);
  void run_for(Duration span);

  bool linked(const std::string& a, const std::string& b) const;  // as both ends see it
  bool all_linked() const;
  // Messages that a node took, that the receiver has not seen and that were not said to have
  // failed. A crash takes what it had with it.
  std::size_t outstanding() const { return outstanding_after(0); }
  // The same of those with numbers above `number`.
  std::size_t outstanding_after(std::uint64_t number) const;
  std::uint64_t last_number() const { return last_number_; }
  std::size_t delivered() const { return delivered_; }
  std::size_t failed_sends() const { return failed_sends_; }
  mesh::Node& node(const std::string& name);
  Instant now() const { return now_; }
  RandomSource& random() { return random_; }
  // Times and sizes of everything that was delivered: equal for equal seeds.
  std::uint64_t trace() const { return trace_; }

 private:
  struct Host;
  struct Happening {
    std::function<void()> run;
  };

  Host& host(const std::string& name) { return *hosts_.at(name); }
  const Host& host(const std::string& name) const { return *hosts_.at(name); }
  void at(Instant when, std::function<void()> run);
  void drain(Host& host);
  void transmit(Host& from, Transmit transmit);
  void transmit_by_relay(Host& from, const Transmit& transmit);
  // What `from` sends, or its relay for it, on its way to a machine or to another one's relay.
  void travel(Host& from, const Transmit& transmit);
  void deliver(Host& to, Duration after, const Endpoint& from, Buffer bytes);
  void on_event(Host& host, mesh::Node::Event event);
  void on_message(Host& to, const PeerId& from, std::string_view body);
  void connect_signaling(Host& host);
  void lose_signaling(Host& host);
  const Weather& weather_between(const Host& from, const Host& to) const;
  void note(std::uint64_t fact);

  SeededRandom random_;
  Instant now_{std::chrono::hours(1)};
  registry::LocalBus bus_;
  std::unique_ptr<registry::SignalingHub> hub_;
  Weather weather_;
  std::map<std::pair<std::string, std::string>, Weather> special_;
  std::map<std::string, std::unique_ptr<Host>> hosts_;
  std::map<Endpoint, std::string> names_by_address_;
  std::multimap<Instant, Happening> happenings_;

  // (from, to) and the sender's incarnation: numbers sent, failed and seen.
  struct Conversation {
    std::set<std::uint64_t> sent, failed, seen;
    std::uint64_t last_seen = 0;
  };
  std::map<std::string, Conversation> conversations_;
  std::uint64_t last_number_ = 0;
  std::size_t delivered_ = 0;
  std::size_t failed_sends_ = 0;
  std::uint64_t trace_ = 0;
};

// CHATIXIA_SIM_SEED, or the test's own.
std::uint64_t seed_from_env(std::uint64_t fallback);

}  // namespace chatixia::sim
