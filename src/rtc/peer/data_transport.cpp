#include "rtc/peer/data_transport.hpp"

#include <algorithm>
#include <utility>

namespace chatixia::rtc::peer {

using datachannel::ChannelId;
using datachannel::ChannelTable;

DataTransport::DataTransport(Options options, const crypto::Certificate& certificate,
                             crypto::Fingerprint expected, Instant now)
    : options_(options),
      dtls_({.role = options.role, .datagram_bytes_max = options.datagram_bytes_max}, certificate,
            expected, now) {
  settle(now);
}

Result<void> DataTransport::open_channel(Instant now, datachannel::ChannelOptions options) {
  if (!connected_ || ended_) return fail(sctp::Errc::not_connected);
  const auto opened = channels_->open(std::move(options));
  if (!opened) return std::unexpected(opened.error());
  run_commands(now);
  return {};
}

Result<void> DataTransport::send(Instant now, ChannelId channel, datachannel::MessageKind kind,
                                 Bytes message) {
  if (!connected_ || ended_) return fail(sctp::Errc::not_connected);
  if (options_.peer_message_bytes_max != 0 && message.size() > options_.peer_message_bytes_max)
    return fail(sctp::Errc::message_too_large);
  const auto outgoing = channels_->prepare(channel, kind, message);
  if (!outgoing) return std::unexpected(outgoing.error());
  auto sent = sctp_->send(now, channel, outgoing->ppid, outgoing->bytes, outgoing->options);
  if (!sent && sent.error().code == sctp::Errc::send_buffer_full) refused_.insert(channel);
  return sent;
}

void DataTransport::close_channel(Instant now, ChannelId channel) {
  if (!connected_ || ended_) return;
  channels_->close(channel);
  refused_.erase(channel);
  run_commands(now);
}

std::size_t DataTransport::buffered_bytes() const {
  return sctp_ ? sctp_->buffered_bytes() : 0;
}

void DataTransport::close(Instant now) {
  if (ended_) return;
  if (sctp_) {
    // What small messages still wait for company leave before the ABORT.
    while (auto packet = sctp_->poll_packet()) dtls_.send(*packet);
  }
  say_goodbye(now);
  events_.clear();
}

void DataTransport::say_goodbye(Instant now) {
  ended_ = true;
  if (sctp_) {
    sctp_->abort(now);
    while (auto packet = sctp_->poll_packet()) dtls_.send(*packet);
  }
  dtls_.close();
}

void DataTransport::handle_datagram(Instant now, Bytes datagram) {
  if (ended_) return;
  dtls_.handle_datagram(now, datagram);
  settle(now);
}

void DataTransport::handle_timeout(Instant now) {
  if (ended_) return;
  dtls_.handle_timeout(now);
  if (sctp_) sctp_->handle_timeout(now);
  settle(now);
}

Instant DataTransport::next_timeout() const {
  if (ended_) return never;
  return std::min(dtls_.next_timeout(), sctp_ ? sctp_->next_timeout() : never);
}

std::optional<Buffer> DataTransport::poll_datagram() {
  if (auto datagram = dtls_.poll_transmit()) return datagram;
  if (!sctp_ || ended_) return std::nullopt;
  while (auto packet = sctp_->poll_packet()) {
    dtls_.send(*packet);
    if (auto datagram = dtls_.poll_transmit()) return datagram;
  }
  return std::nullopt;
}

std::optional<DataTransport::Event> DataTransport::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

// Carries what an input produced up through the layers, each entered once.
void DataTransport::settle(Instant now) {
  const auto take_dtls_events = [&] {
    while (auto event = dtls_.poll_event()) on_dtls_event(now, std::move(*event));
  };
  take_dtls_events();
  while (!ended_ && sctp_) {
    const auto packet = dtls_.poll_packet();
    if (!packet) break;
    sctp_->handle_packet(now, *packet);
  }
  while (!ended_ && sctp_) {
    auto event = sctp_->poll_event();
    if (!event) break;
    on_sctp_event(now, std::move(*event));
  }
  if (!ended_ && channels_) run_commands(now);
}

void DataTransport::on_dtls_event(Instant now, dtls::Session::Event event) {
  if (std::holds_alternative<dtls::Session::Connected>(event)) {
    events_.push_back(DtlsConnected{});
    start_sctp(now);
  } else if (auto* failed = std::get_if<dtls::Session::Failed>(&event)) {
    ended_ = true;
    events_.push_back(Failed{std::move(failed->reason)});
  } else {
    ended_ = true;
    events_.push_back(Closed{});
  }
}

void DataTransport::start_sctp(Instant now) {
  sctp::Association::Options options;
  options.remote_port = options_.peer_sctp_port;
  options.packet_bytes_max = options_.datagram_bytes_max - dtls_.overhead_bytes();
  options.message_bytes_max = options_.message_bytes_max;
  options.send_buffer_bytes_max = options_.send_buffer_bytes_max;
  sctp_ = sctp::Association::make(options, now);
  channels_.emplace(ChannelTable::Options{.even_ids = options_.role == dtls::Role::client,
                                          .ids_end = options.streams});
  sctp_->connect(now);
}

void DataTransport::on_sctp_event(Instant now, sctp::Association::Event event) {
  using sctp::Association;
  if (auto* message = std::get_if<sctp::Message>(&event)) {
    channels_->handle_message(std::move(*message));
  } else if (std::holds_alternative<Association::Connected>(event)) {
    connected_ = true;
    events_.push_back(SctpConnected{});
  } else if (const auto* reset = std::get_if<Association::StreamsReset>(&event)) {
    channels_->handle_streams_reset(reset->streams);
  } else if (const auto* completed = std::get_if<Association::ResetCompleted>(&event)) {
    channels_->handle_reset_completed(completed->streams);
  } else if (std::holds_alternative<Association::Writable>(event)) {
    for (const ChannelId channel : std::exchange(refused_, {}))
      events_.push_back(Writable{channel});
  } else {
    const auto* failed = std::get_if<Association::Failed>(&event);
    say_goodbye(now);
    if (failed == nullptr || failed->code == sctp::Errc::aborted_by_peer)
      events_.push_back(Closed{});
    else
      events_.push_back(Failed{failed->code.message()});
    return;
  }
  collect_channel_events();
}

void DataTransport::run_commands(Instant now) {
  while (stalled_ || (stalled_ = channels_->poll_command())) {
    if (!run(now, *stalled_)) break;
    stalled_.reset();
  }
  collect_channel_events();
}

// False when the send buffer is full: the command is tried again after the next input.
bool DataTransport::run(Instant now, const ChannelTable::Command& command) {
  if (const auto* reset = std::get_if<ChannelTable::Reset>(&command)) {
    const sctp::StreamId streams[] = {reset->channel};
    sctp_->reset_streams(now, streams);
    return true;
  }
  const auto& send = std::get<ChannelTable::Send>(command);
  const auto sent = sctp_->send(now, send.channel, send.ppid, send.bytes, {});
  if (sent) return true;
  if (sent.error().code == sctp::Errc::send_buffer_full) return false;
  // The peer has fewer streams than we asked for: the channel cannot be.
  const sctp::StreamId streams[] = {send.channel};
  channels_->handle_streams_reset(streams);
  return true;
}

void DataTransport::collect_channel_events() {
  while (auto event = channels_->poll_event())
    std::visit([this](auto& each) { events_.emplace_back(std::move(each)); }, *event);
}

}  // namespace chatixia::rtc::peer
