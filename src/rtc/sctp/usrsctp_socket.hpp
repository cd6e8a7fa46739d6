#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "base/bytes.hpp"
#include "rtc/sctp/association.hpp"
#include "rtc/sctp/engine.hpp"

namespace chatixia::rtc::sctp {

struct ReceivedInfo {
  StreamId stream = 0;
  std::uint32_t ppid = 0;
  bool notification = false;
  bool complete = false;
  std::size_t size = 0;
};

enum class SendOutcome { taken, no_room, gone };

// One usrsctp socket with the options that every association of ours has. Knows usrsctp's calls
// and structures, and nothing of queues or phases.
class UsrsctpHandle {
 public:
  // `socket` options come from `options`; the socket stays unbound.
  UsrsctpHandle(std::uintptr_t address, const Association::Options& options);
  // Closes without a word to the peer unless abort() was called before.
  ~UsrsctpHandle();
  UsrsctpHandle(const UsrsctpHandle&) = delete;
  UsrsctpHandle& operator=(const UsrsctpHandle&) = delete;

  bool connect(std::uint16_t local_port, std::uint16_t remote_port);
  SendOutcome send(StreamId stream, std::uint32_t ppid, Bytes bytes, const SendOptions& options);
  // With bundling on, small messages wait for more while anything is unacknowledged.
  void set_bundling(bool on);
  void reset_streams(std::span<const StreamId> streams);
  void shutdown();
  // Closes; usrsctp sends an ABORT if there is an association.
  void abort();
  void set_packet_bytes_max(std::size_t bytes);
  // Nothing when there is nothing to read.
  std::optional<ReceivedInfo> receive(std::span<std::uint8_t> out);
  // Bytes queued and not acknowledged.
  std::size_t buffered_bytes() const;

 private:
  void set_option(int name, const void* value, std::size_t size);
  template <class T>
  void set_option(int name, const T& value) {
    set_option(name, &value, sizeof value);
  }
  void subscribe();
  void set_buffers(const Association::Options& options);
  void set_streams(std::uint16_t streams);

  std::uintptr_t address_;
  UsrsctpSocket* socket_;
};

}  // namespace chatixia::rtc::sctp
