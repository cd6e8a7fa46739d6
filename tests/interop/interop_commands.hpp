#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/random.hpp"
#include "crypto/certificate.hpp"
#include "interop/registry_peer.hpp"
#include "json/json.hpp"
#include "net/loop.hpp"

namespace chatixia::interop {

// Carries out JSON commands and reports JSON events, as tests/interop/README.md lists them. One
// process can be several peers; `self` names the one that is meant.
class Commands {
 public:
  using Report = std::function<void(json::Object event)>;

  Commands(net::Loop& loop, RandomSource& random, const crypto::Certificate& certificate,
           Report report);

  // A command that makes no sense is answered by an `error` event.
  void handle_line(std::string_view line);

 private:
  struct Outgoing {
    rtc::peer::MessageKind kind;
    Buffer bytes;
  };
  // One link as the test sees it: channels by label, and what waits for room in the send buffer.
  struct Link {
    std::map<std::string, rtc::peer::ChannelId> ids;
    std::map<rtc::peer::ChannelId, std::string> labels;
    std::map<rtc::peer::ChannelId, std::deque<Outgoing>> waiting;
  };
  struct Peer {
    std::unique_ptr<RegistryPeer> registry;
    std::map<std::string, Link> links;
    bool echoes = false;
  };
  class Reader;

  void join(Reader& command);
  void send(Reader& command);
  void open_channel(Reader& command);
  void handle_event(const std::string& self, const std::string& peer,
                    const rtc::peer::PeerConnection::Event& event);
  void handle_message(const std::string& self, const std::string& peer,
                      const rtc::peer::PeerConnection::MessageReceived& message);
  void enqueue(const std::string& self, const std::string& peer, rtc::peer::ChannelId channel,
               Outgoing message);
  void flush(const std::string& self, const std::string& peer, rtc::peer::ChannelId channel);
  void report(const std::string& self, std::string_view event, json::Object fields);
  void report_error(const std::string& self, const std::string& message);

  net::Loop& loop_;
  RandomSource& random_;
  const crypto::Certificate& certificate_;
  Report report_;
  std::map<std::string, Peer> peers_;
};

}  // namespace chatixia::interop
