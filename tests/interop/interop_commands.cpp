#include "interop/interop_commands.hpp"

#include <array>
#include <utility>

#include "crypto/digest.hpp"
#include "crypto/encoding.hpp"
#include "rtc/sctp/association.hpp"

namespace chatixia::interop {

using rtc::peer::ChannelId;
using rtc::peer::ChannelOptions;
using rtc::peer::MessageKind;
using rtc::peer::PeerConnection;

namespace {

constexpr json::Limits command_limits{.bytes_max = 1024 * 1024};

// Text of exactly `size` bytes of valid UTF-8 with characters of one to four bytes.
Buffer make_text(std::size_t size, RandomSource& random) {
  static constexpr std::array<std::string_view, 12> letters{"a",  "b", "c", " ",  "\"", "\\",
                                                            "\n", "é", "ß", "漢", "€",  "🙂"};
  Buffer text;
  text.reserve(size);
  while (text.size() < size) {
    const std::string_view letter = letters[random.below(letters.size())];
    const std::string_view fitting = text.size() + letter.size() <= size ? letter : "z";
    text.insert(text.end(), fitting.begin(), fitting.end());
  }
  return text;
}

Buffer make_content(MessageKind kind, std::size_t size, std::uint64_t seed) {
  SeededRandom random(seed);
  return kind == MessageKind::text ? make_text(size, random) : random.bytes(size);
}

json::Object describe(const std::string& label, MessageKind kind, Bytes bytes) {
  return {{"label", label},
          {"kind", kind == MessageKind::text ? "text" : "binary"},
          {"size", bytes.size()},
          {"sha256", crypto::to_hex(crypto::sha256(bytes))}};
}

json::Object describe(const PeerConnection::ChannelOpened& opened) {
  json::Object fields{{"label", opened.options.label},
                      {"protocol", opened.options.protocol},
                      {"ordered", opened.options.ordered},
                      {"incoming", opened.incoming},
                      {"channel", opened.channel}};
  if (const auto limit = opened.options.retransmissions_max) fields["retransmissions_max"] = *limit;
  return fields;
}

}  // namespace

// The fields that most commands have, read once.
class Commands::Reader : public json::ObjectReader {
 public:
  explicit Reader(const json::Object& command)
      : ObjectReader(command), name(text("cmd")), self(text("self")), peer(text_or("peer", "")) {}

  const std::string name;
  const std::string self;
  const std::string peer;
};

Commands::Commands(net::Loop& loop, RandomSource& random, const crypto::Certificate& certificate,
                   Report report)
    : loop_(loop), random_(random), certificate_(certificate), report_(std::move(report)) {}

void Commands::report(const std::string& self, std::string_view event, json::Object fields) {
  fields["event"] = event;
  fields["self"] = self;
  report_(std::move(fields));
}

void Commands::report_error(const std::string& self, const std::string& message) {
  report(self, "error", {{"message", message}});
}

void Commands::handle_line(std::string_view line) {
  const auto object = json::parse_object(line, command_limits);
  if (!object) return report_error("", object.error().message());
  Reader command(*object);
  if (command.name == "join") return join(command);
  if (command.error()) return report_error(command.self, command.error()->message());

  const auto peer = peers_.find(command.self);
  if (peer == peers_.end()) return report_error(command.self, "has not joined");
  if (command.name == "echo") {
    peer->second.echoes = command.boolean_or("on", true);
  } else if (command.name == "offer") {
    peer->second.links[command.peer] = {};
    peer->second.registry->offer(command.peer);
  } else if (!peer->second.registry->link(command.peer)) {
    report_error(command.self, "no link to " + command.peer);
  } else if (command.name == "close") {
    peer->second.registry->close(command.peer);
  } else if (command.name == "open_channel") {
    open_channel(command);
  } else if (command.name == "send" || command.name == "close_channel") {
    send(command);
  } else {
    report_error(command.self, "unknown command " + command.name);
  }
}

void Commands::join(Reader& command) {
  const std::string token = command.text("token", 4096);
  const auto url = net::Url::parse(command.text("url", 1024));
  const auto address = IpAddress::parse(command.text("address"));
  const bool calls_peers = command.boolean_or("calls_peers", true);
  if (command.error() || !url || !address)
    return report_error(command.self, "join needs url, token and address");

  const std::string self = command.self;
  RegistryPeer::Options options{.signaling = *url,
                                .token = token,
                                .self = self,
                                .address = *address,
                                .calls_peers = calls_peers,
                                .connection = {.certificate = &certificate_}};
  RegistryPeer::Handlers handlers{
      .on_joined =
          [this, self](const std::vector<std::string>& peers) {
            report(self, "joined", {{"peers", json::Array(peers.begin(), peers.end())}});
          },
      .on_event = [this, self](const std::string& peer,
                               const auto& event) { handle_event(self, peer, event); },
      .on_problem = [this, self](const std::string& problem) { report_error(self, problem); },
  };
  peers_[self].registry =
      std::make_unique<RegistryPeer>(loop_, random_, std::move(options), std::move(handlers));
}

void Commands::open_channel(Reader& command) {
  ChannelOptions options{.label = command.text("label"),
                         .protocol = command.text_or("protocol", ""),
                         .ordered = command.boolean_or("ordered", true)};
  const auto opened = peers_[command.self]
                          .registry->link(command.peer)
                          ->act([&](PeerConnection& connection, Instant now) {
                            return connection.open_channel(now, options);
                          });
  if (!opened) report_error(command.self, opened.error().message());
}

void Commands::send(Reader& command) {
  const std::string label = command.text_or("label", "mesh");
  Link& link = peers_[command.self].links[command.peer];
  const auto channel = link.ids.find(label);
  if (channel == link.ids.end()) return report_error(command.self, "no channel " + label);
  if (command.name == "close_channel") {
    peers_[command.self]
        .registry->link(command.peer)
        ->act([&](PeerConnection& connection, Instant now) {
          connection.close_channel(now, channel->second);
        });
    return;
  }
  const auto kind =
      command.text_or("kind", "text") == "binary" ? MessageKind::binary : MessageKind::text;
  const auto size = command.integer_or("size", 0, 0, 1 << 20);
  const auto seed = command.integer_or("seed", 1, 0, INT64_MAX / 2);
  const auto count = command.integer_or("count", 1, 1, 1'000'000);
  for (std::int64_t index = 0; index < count; ++index) {
    Buffer bytes = make_content(kind, static_cast<std::size_t>(size),
                                static_cast<std::uint64_t>(seed + index));
    json::Object fields = describe(label, kind, bytes);
    fields["peer"] = command.peer;
    report(command.self, "sent", std::move(fields));
    enqueue(command.self, command.peer, channel->second, {kind, std::move(bytes)});
  }
}

void Commands::enqueue(const std::string& self, const std::string& peer, ChannelId channel,
                       Outgoing message) {
  peers_[self].links[peer].waiting[channel].push_back(std::move(message));
  flush(self, peer, channel);
}

// Sends until the buffer is full; Writable brings us back here.
void Commands::flush(const std::string& self, const std::string& peer, ChannelId channel) {
  PeerDriver* driver = peers_[self].registry->link(peer);
  auto& waiting = peers_[self].links[peer].waiting[channel];
  if (!driver) return;
  driver->act([&](PeerConnection& connection, Instant now) {
    while (!waiting.empty()) {
      const Outgoing& message = waiting.front();
      const auto sent = connection.send(now, channel, message.kind, message.bytes);
      if (!sent && sent.error().code == rtc::sctp::Errc::send_buffer_full) return;
      if (!sent) report_error(self, "send: " + sent.error().message());
      waiting.pop_front();
    }
  });
}

void Commands::handle_message(const std::string& self, const std::string& peer,
                              const PeerConnection::MessageReceived& message) {
  json::Object fields =
      describe(peers_[self].links[peer].labels[message.channel], message.kind, message.bytes);
  fields["peer"] = peer;
  report(self, "message", std::move(fields));
  if (peers_[self].echoes) enqueue(self, peer, message.channel, {message.kind, message.bytes});
}

void Commands::handle_event(const std::string& self, const std::string& peer,
                            const PeerConnection::Event& event) {
  Link& link = peers_[self].links[peer];
  json::Object fields{{"peer", peer}};
  if (const auto* opened = std::get_if<PeerConnection::ChannelOpened>(&event)) {
    link.ids[opened->options.label] = opened->channel;
    link.labels[opened->channel] = opened->options.label;
    fields = describe(*opened);
    fields["peer"] = peer;
    report(self, "open", std::move(fields));
  } else if (const auto* message = std::get_if<PeerConnection::MessageReceived>(&event)) {
    handle_message(self, peer, *message);
  } else if (const auto* writable = std::get_if<PeerConnection::Writable>(&event)) {
    flush(self, peer, writable->channel);
  } else if (const auto* ended = std::get_if<PeerConnection::ChannelClosed>(&event)) {
    fields["label"] = link.labels[ended->channel];
    report(self, "channel_closed", std::move(fields));
  } else if (std::holds_alternative<PeerConnection::Closed>(event)) {
    link.waiting.clear();
    report(self, "closed", std::move(fields));
  } else if (const auto* failed = std::get_if<PeerConnection::Failed>(&event)) {
    link.waiting.clear();
    fields["reason"] = failed->reason;
    report(self, "failed", std::move(fields));
  }
}

}  // namespace chatixia::interop
