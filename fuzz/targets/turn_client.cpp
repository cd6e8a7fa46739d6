#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "rtc/turn/client.hpp"
#include "script.hpp"
#include "support/fake_turn_server.hpp"

// A script of what a TURN server says, whatever it likes, to a client in a chosen state.
namespace {

using namespace chatixia;
using namespace chatixia::rtc;
using namespace std::chrono_literals;

const Endpoint local = {IpAddress::v4(0xc0000201), 4000};
const Endpoint peer = {IpAddress::v4(0xc6336407), 777};

enum Flags : std::uint8_t {
  fix_transaction = 1,  // that of the client's last request
  sign = 2,             // with the client's key
  send_to_peer = 4,
  let_time_pass = 8,
};

class Scene {
 public:
  // 0: asked; 1: challenged; 2: allocated; 3: with a permission and a channel.
  void reach(int state) {
    for (int round = 0; round < state; ++round) answer();
    if (state < 3) return;
    for (int i = 0; i < 20; ++i) {
      client_.send(now_, peer, as_bytes("x"));
      answer();
    }
  }

  void inject(std::uint8_t flags, Bytes bytes) {
    Buffer datagram(bytes.begin(), bytes.end());
    if ((flags & fix_transaction) != 0 && last_ && datagram.size() >= stun::header_bytes)
      std::ranges::copy(*last_, datagram.begin() + 8);
    if ((flags & sign) != 0) datagram = signed_copy(std::move(datagram));
    client_.handle_datagram(now_, {local, server_.address, datagram});
    if ((flags & send_to_peer) != 0) client_.send(now_, peer, as_bytes("y"));
    if ((flags & let_time_pass) != 0) pass(20s);
    drain();
  }

  void pass(Duration duration) {
    now_ += duration;
    if (client_.next_timeout() <= now_) client_.handle_timeout(now_);
    drain();
  }

  void end() {
    client_.release(now_);
    drain();
    expects(client_.next_timeout() == never);
  }

 private:
  void answer() {
    while (auto transmit = client_.poll_transmit()) {
      remember(*transmit);
      for (const Buffer& reply : server_.handle(local, transmit->bytes)) replies_.push_back(reply);
    }
    for (const Buffer& reply : std::exchange(replies_, {}))
      client_.handle_datagram(now_, {local, server_.address, reply});
  }
  void drain() {
    while (auto transmit = client_.poll_transmit()) remember(*transmit);
    while (client_.poll_event()) {
    }
  }
  void remember(const Transmit& transmit) {
    expects(transmit.local == local && transmit.remote == server_.address);
    const auto sent = stun::Message::parse(transmit.bytes);
    if (sent && sent->message_class() == stun::Class::request) last_ = sent->transaction_id();
  }
  Buffer signed_copy(Buffer datagram) const {
    const auto message = stun::Message::parse(datagram);
    if (!message || datagram.size() > 65'000) return datagram;
    stun::Builder builder(message->message_class(), message->method(), message->transaction_id());
    for (const stun::Attribute& attribute : message->attributes())
      builder.bytes(attribute.type, attribute.value);
    return builder.integrity(stun::long_term_key(server_.username, "example.org", server_.password))
        .take();
  }

  Instant now_{1h};
  SeededRandom random_{1};
  chatixia::testing::FakeTurnServer server_;
  turn::Client client_{{local, server_.address, server_.username, server_.password}, random_, now_};
  std::vector<Buffer> replies_;
  std::optional<stun::TransactionId> last_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Scene scene;
  if (!fuzz::play(scene, 4, {data, size})) return 0;
  for (int minute = 0; minute < 12; ++minute) scene.pass(1min);
  scene.end();
  return 0;
}
