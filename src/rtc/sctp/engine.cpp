#include "rtc/sctp/engine.hpp"

#include <chrono>

#include <usrsctp.h>

#include "rtc/sctp/crc32c.hpp"

namespace chatixia::rtc::sctp {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t scratch_bytes = 256 * 1024;

std::uint32_t in_ms(std::chrono::milliseconds duration) {
  return static_cast<std::uint32_t>(duration.count());
}

// Called with the association's locks held: queue, never re-enter.
int on_packet(void* address, void* bytes, std::size_t size, std::uint8_t, std::uint8_t) {
  Mailbox* mailbox = Engine::instance().find_mailbox(reinterpret_cast<std::uintptr_t>(address));
  if (mailbox == nullptr) return 0;
  const auto* begin = static_cast<const std::uint8_t*>(bytes);
  set_checksum(mailbox->packets.emplace_back(begin, begin + size));
  return 0;
}

void on_socket_event(UsrsctpSocket*, void* address, int) {
  Mailbox* mailbox = Engine::instance().find_mailbox(reinterpret_cast<std::uintptr_t>(address));
  if (mailbox != nullptr) mailbox->readable = true;
}

void disable_unused_extensions() {
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  usrsctp_sysctl_set_sctp_asconf_enable(0);
  usrsctp_sysctl_set_sctp_auto_asconf(0);
  usrsctp_sysctl_set_sctp_auth_enable(0);
  usrsctp_sysctl_set_sctp_nrsack_enable(0);
  usrsctp_sysctl_set_sctp_pktdrop_enable(0);
  usrsctp_sysctl_set_sctp_pr_enable(1);
  usrsctp_sysctl_set_sctp_reconfig_enable(1);
  // A packet for no association gets no answer.
  usrsctp_sysctl_set_sctp_blackhole(2);
}

// RFC 9260's timers suit long paths of the past: a minimum RTO of a second and a maximum of a
// minute make one lost packet a stall that people notice.
void set_timers() {
  usrsctp_sysctl_set_sctp_rto_min_default(in_ms(200ms));
  usrsctp_sysctl_set_sctp_rto_initial_default(in_ms(500ms));
  usrsctp_sysctl_set_sctp_rto_max_default(in_ms(4s));
  usrsctp_sysctl_set_sctp_init_rto_max_default(in_ms(2s));
  usrsctp_sysctl_set_sctp_delayed_sack_time_default(in_ms(20ms));
  // Longer than ICE takes to notice that consent is gone (RFC 7675), so that a restart in time
  // finds the association alive.
  usrsctp_sysctl_set_sctp_init_rtx_max_default(20);
  usrsctp_sysctl_set_sctp_assoc_rtx_max_default(20);
  usrsctp_sysctl_set_sctp_path_rtx_max_default(20);
}

void set_windows() {
  usrsctp_sysctl_set_sctp_initial_cwnd(10);  // RFC 6928's argument holds here as well
  usrsctp_sysctl_set_sctp_max_burst_default(10);
  // The bytes are bounded by the send buffer; the default of 512 chunks would bound small messages
  // long before that.
  usrsctp_sysctl_set_sctp_max_chunks_on_queue(64 * 1024);
}

}  // namespace

Engine& Engine::instance() {
  // Leaked on purpose: usrsctp's iterator thread lives as long as the process.
  static Engine* const engine = new Engine;
  return *engine;
}

Engine::Engine() : scratch_(scratch_bytes) {
  // Each endpoint has a table of its associations, and ours have one each.
  usrsctp_tunable_set_sctp_pcbtblsize(1);
  usrsctp_init_nothreads(0, on_packet, nullptr);
  usrsctp_enable_crc32c_offload();
  disable_unused_extensions();
  set_timers();
  set_windows();
}

Engine::Registration::Registration(Engine& engine, Mailbox& mailbox)
    : engine_(engine), address_(++engine.last_address_) {
  engine_.mailboxes_.emplace(address_, &mailbox);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): usrsctp's address is a number of ours
  usrsctp_register_address(reinterpret_cast<void*>(address_));
}

Engine::Registration::~Registration() {
  engine_.mailboxes_.erase(address_);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): usrsctp's address is a number of ours
  usrsctp_deregister_address(reinterpret_cast<void*>(address_));
}

Mailbox* Engine::find_mailbox(std::uintptr_t address) {
  const auto found = mailboxes_.find(address);
  return found == mailboxes_.end() ? nullptr : found->second;
}

void Engine::watch(UsrsctpSocket* socket, std::uintptr_t address) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): usrsctp's address is a number of ours
  usrsctp_set_upcall(socket, on_socket_event, reinterpret_cast<void*>(address));
}

void Engine::advance(Instant now) {
  if (now < now_) ticked_ = now;
  now_ = now;
  const auto elapsed = std::chrono::floor<std::chrono::milliseconds>(now - ticked_);
  if (elapsed <= 0ms) return;
  ticked_ += elapsed;
  usrsctp_handle_timers(in_ms(elapsed));
}

Instant Engine::next_tick(Duration interval) const {
  const Duration since_epoch = now_.time_since_epoch();
  return Instant(since_epoch - since_epoch % interval + interval);
}

}  // namespace chatixia::rtc::sctp
