#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "base/bytes.hpp"
#include "base/time.hpp"

struct socket;

namespace chatixia::rtc::sctp {

using UsrsctpSocket = struct ::socket;

// What usrsctp leaves for an association while it runs: packets to send, and whether something can
// be read. usrsctp calls back with locks held, so nothing more may happen there.
struct Mailbox {
  std::deque<Buffer> packets;
  bool readable = false;
};

// usrsctp keeps all its state in globals; this is the one thing in the process that stands for
// them. It runs without threads of its own: every association of the process must be used from one
// thread. It is never shut down, because usrsctp cannot be.
class Engine {
 public:
  static Engine& instance();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Makes a mailbox known to usrsctp while it lives. usrsctp calls an address a pointer; ours are
  // numbers that are never used twice, so a late timer cannot reach memory that is gone.
  class Registration {
   public:
    Registration(Engine& engine, Mailbox& mailbox);
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    std::uintptr_t address() const { return address_; }

   private:
    Engine& engine_;
    std::uintptr_t address_;
  };

  Mailbox* find_mailbox(std::uintptr_t address);
  // Registers the upcall that marks the mailbox of `address` readable.
  static void watch(UsrsctpSocket* socket, std::uintptr_t address);

  // Runs the timers of all associations up to `now`. Time that goes back starts a new count.
  void advance(Instant now);
  Instant now() const { return now_; }
  // The next moment to call advance(), on a grid that all associations share so that many idle
  // ones cost one wake-up.
  Instant next_tick(Duration interval) const;

  // Receives one message or notification at a time.
  std::span<std::uint8_t> scratch() { return scratch_; }

 private:
  Engine();

  std::unordered_map<std::uintptr_t, Mailbox*> mailboxes_;
  std::uintptr_t last_address_ = 0;
  Instant now_{};
  Instant ticked_{};
  Buffer scratch_;
};

}  // namespace chatixia::rtc::sctp
