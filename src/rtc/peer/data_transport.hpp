#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "crypto/certificate.hpp"
#include "rtc/datachannel/channel_table.hpp"
#include "rtc/dtls/session.hpp"
#include "rtc/sctp/association.hpp"

namespace chatixia::rtc::peer {

// Data channels over SCTP over DTLS (RFC 8831, section 5), as one thing that takes and gives
// datagrams. It knows nothing of addresses.
class DataTransport {
 public:
  struct Options {
    dtls::Role role = dtls::Role::client;
    std::size_t datagram_bytes_max = 1200;
    std::size_t message_bytes_max = 0;
    // What the peer takes; zero means anything.
    std::uint64_t peer_message_bytes_max = 0;
    std::size_t send_buffer_bytes_max = 0;
    std::uint16_t peer_sctp_port = 5000;
  };

  struct DtlsConnected {};
  struct SctpConnected {};
  struct Writable {
    datachannel::ChannelId channel = 0;
  };
  struct Closed {};
  struct Failed {
    std::string reason;
  };
  using Event = std::variant<DtlsConnected, SctpConnected, datachannel::ChannelTable::Opened,
                             datachannel::ChannelTable::MessageReceived,
                             datachannel::ChannelTable::Closed, Writable, Closed, Failed>;

  DataTransport(Options options, const crypto::Certificate& certificate,
                crypto::Fingerprint expected, Instant now);

  // not_connected until SctpConnected.
  Result<void> open_channel(Instant now, datachannel::ChannelOptions options);
  Result<void> send(Instant now, datachannel::ChannelId channel, datachannel::MessageKind kind,
                    Bytes message);
  void close_channel(Instant now, datachannel::ChannelId channel);
  std::size_t buffered_bytes() const;

  // Sends what can leave at once, then ABORT and close_notify.
  void close(Instant now);

  void handle_datagram(Instant now, Bytes datagram);
  void handle_timeout(Instant now);
  Instant next_timeout() const;
  std::optional<Buffer> poll_datagram();
  std::optional<Event> poll_event();

 private:
  void settle(Instant now);
  void on_dtls_event(Instant now, dtls::Session::Event event);
  void on_sctp_event(Instant now, sctp::Association::Event event);
  void start_sctp(Instant now);
  void run_commands(Instant now);
  bool run(Instant now, const datachannel::ChannelTable::Command& command);
  void collect_channel_events();
  void say_goodbye(Instant now);

  Options options_;
  dtls::Session dtls_;
  std::unique_ptr<sctp::Association> sctp_;
  std::optional<datachannel::ChannelTable> channels_;
  // A command that found the send buffer full.
  std::optional<datachannel::ChannelTable::Command> stalled_;
  std::set<datachannel::ChannelId> refused_;
  bool connected_ = false;
  bool ended_ = false;
  std::deque<Event> events_;
};

}  // namespace chatixia::rtc::peer
