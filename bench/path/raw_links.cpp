#include "path/raw_links.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "crypto/random.hpp"

namespace chatixia::bench {

namespace signaling = protocol::signaling;
using rtc::peer::MessageKind;

namespace {

// A benchmark has nothing to fall back on.
template <class T>
T must(Result<T> result) {
  if (result) {
    if constexpr (std::is_void_v<T>)
      return;
    else
      return std::move(*result);
  }
  fmt::print(stderr, "{}\n", result.error().message());
  std::exit(1);
}

}  // namespace

Buffer tagged(Tag tag, std::size_t size) {
  Buffer message(size, 'x');
  message.front() = static_cast<std::uint8_t>(tag);
  return message;
}

RawLinks::RawLinks(net::Loop& loop, const IpAddress& address,
                   std::shared_ptr<net::LineConnection> other)
    : loop_(loop),
      address_(address),
      random_(std::make_unique<crypto::SystemRandom>()),
      certificate_(must(crypto::Certificate::make(net::wall_now(), std::chrono::hours(24)))),
      other_(std::move(other)) {}

void RawLinks::start(Handlers handlers) {
  handlers_ = std::move(handlers);
  other_->start({
      .on_line = [this](std::string_view line) { handle_line(line); },
      .on_closed = [this](const std::string&) { loop_.stop(); },
  });
}

RawLinks::Link* RawLinks::find(int number) {
  const auto found = links_.find(number);
  return found == links_.end() ? nullptr : &found->second;
}

RawLinks::Link& RawLinks::make(int number) {
  Link& link = links_[number];
  link.driver = must(interop::PeerDriver::make(
      loop_, *random_, {.certificate = &certificate_}, address_,
      [this, number](const Connection::Event& event) { handle_event(number, event); }));
  return link;
}

void RawLinks::call(int number) {
  Link& link = make(number);
  const std::string sdp = link.driver->act([](Connection& connection, Instant now) {
    must(connection.open_channel(now, {.label = "bench"}));
    return connection.create_offer(now);
  });
  tell(number, signaling::type::offer, signaling::Description{sdp}.encode());
  trickle(number, link);
}

void RawLinks::trickle(int number, Link& link) {
  const auto candidate = link.driver->candidate();
  link.driver->act([&](Connection& connection, Instant now) {
    connection.add_local_candidate(now, candidate);
    connection.end_of_local_candidates(now);
  });
  const signaling::IceCandidate host{.candidate = candidate.encode(), .sdp_mid = "0"};
  tell(number, signaling::type::ice_candidate, host.encode());
}

bool RawLinks::send(int number, Bytes message) {
  Link* link = find(number);
  return link && link->driver
                     ->act([&](Connection& connection, Instant now) {
                       return connection.send(now, link->channel, MessageKind::binary, message);
                     })
                     .has_value();
}

void RawLinks::send_from(int number, Source& source) {
  Link* link = find(number);
  if (!link) return;
  link->driver->act([&](Connection& connection, Instant now) {
    for (Bytes message = source.peek(); !message.empty(); message = source.peek()) {
      if (!connection.send(now, link->channel, MessageKind::binary, message)) return;
      source.pop();
    }
  });
}

void RawLinks::close(int number) {
  const auto found = links_.find(number);
  if (found == links_.end()) return;
  found->second.driver->act([](Connection& connection, Instant now) { connection.close(now); });
  // The caller may be an event of this very link.
  loop_.post([driver = std::move(found->second.driver)] {});
  links_.erase(found);
}

void RawLinks::tell(int number, std::string_view type, std::string payload) {
  const signaling::Envelope envelope{
      .type = std::string(type), .peer_id = std::to_string(number), .payload = std::move(payload)};
  if (!other_->send_line(envelope.encode())) must(Result<void>(fail({}, "signaling is stuck")));
}

void RawLinks::handle_line(std::string_view line) {
  const auto envelope = must(signaling::Envelope::parse(line));
  const int number = std::stoi(envelope.peer_id);
  handle_signal(number, envelope);
  handlers_.on_told(number, envelope.type, envelope.payload);
}

void RawLinks::handle_signal(int number, const signaling::Envelope& envelope) {
  if (envelope.type == signaling::type::offer) {
    const auto offer = must(signaling::Description::parse(envelope.payload));
    Link& link = make(number);
    const std::string answer = must(link.driver->act([&](Connection& connection, Instant now) {
      return connection.accept_offer(now, offer.sdp);
    }));
    tell(number, signaling::type::answer, signaling::Description{answer}.encode());
    trickle(number, link);
    return;
  }
  Link* link = find(number);
  if (!link) return;
  if (envelope.type == signaling::type::answer) {
    const auto answer = must(signaling::Description::parse(envelope.payload));
    must(link->driver->act([&](Connection& connection, Instant now) {
      return connection.set_answer(now, answer.sdp);
    }));
  } else if (envelope.type == signaling::type::ice_candidate) {
    const auto candidate = must(signaling::IceCandidate::parse(envelope.payload));
    must(link->driver->act([&](Connection& connection, Instant now) {
      return connection.add_remote_candidate(now, candidate.candidate);
    }));
  }
}

void RawLinks::handle_event(int number, const Connection::Event& event) {
  if (const auto* opened = std::get_if<Connection::ChannelOpened>(&event)) {
    links_[number].channel = opened->channel;
    handlers_.on_open(number, opened->channel);
  } else if (const auto* message = std::get_if<Connection::MessageReceived>(&event)) {
    handlers_.on_message(number, message->bytes);
  } else if (std::holds_alternative<Connection::Writable>(event)) {
    handlers_.on_writable(number);
  } else if (std::holds_alternative<Connection::Closed>(event)) {
    handlers_.on_closed(number);
  } else if (const auto* failed = std::get_if<Connection::Failed>(&event)) {
    must(Result<void>(fail({}, failed->reason)));
  }
}

}  // namespace chatixia::bench
