#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "base/bytes.hpp"
#include "rtc/sctp/association.hpp"
#include "rtc/sctp/crc32c.hpp"
#include "script.hpp"
#include "support/virtual_clock.hpp"

// A script of a stranger's packets against an association in a chosen state.
namespace {

using namespace chatixia;
using namespace chatixia::rtc::sctp;
using namespace std::chrono_literals;

constexpr std::size_t header_bytes = 12;

enum Flags : std::uint8_t {
  fix_header = 1,  // ports and verification tag as the real peer has them
  fix_checksum = 2,
  let_time_pass = 4,
  let_peer_answer = 8,
};

class Scene {
 public:
  Scene() {
    testing::seed_virtual_randomness(1);
    testing::set_virtual_time(now_);
    subject_ = Association::make({}, now_);
    peer_ = Association::make({}, now_);
  }

  void reach(int state) {
    if (state == 0) return;
    subject_->connect(now_);
    if (state == 1) return;
    peer_->connect(now_);
    for (int round = 0; round < 8; ++round) {
      carry(*subject_, *peer_);
      carry(*peer_, *subject_);
    }
    const Buffer bytes(3000, 7);
    if (state >= 3) (void)subject_->send(now_, 1, 53, bytes, {});
    if (state >= 4) subject_->reset_streams(now_, std::array<StreamId, 1>{1});
    if (state == 5) subject_->shutdown(now_);
    carry(*subject_, *peer_);
  }

  void inject(std::uint8_t flags, Bytes bytes) {
    Buffer packet(bytes.begin(), bytes.end());
    if ((flags & fix_header) != 0 && header_ && packet.size() >= header_bytes)
      std::copy_n(header_->begin(), 8, packet.begin());
    if ((flags & fix_checksum) != 0 && packet.size() >= header_bytes) set_checksum(packet);
    subject_->handle_packet(now_, packet);
    if ((flags & let_time_pass) != 0) pass(300ms);
    if ((flags & let_peer_answer) != 0) {
      carry(*subject_, *peer_);
      carry(*peer_, *subject_);
    }
    drain(*subject_);
  }

  void pass(Duration duration) {
    now_ += duration;
    testing::set_virtual_time(now_);
    subject_->handle_timeout(now_);
    peer_->handle_timeout(now_);
  }

 private:
  void carry(Association& from, Association& to) {
    while (auto packet = from.poll_packet()) {
      // Before the peer has answered an INIT its packets have no tag of ours.
      if (&from == peer_.get()) header_ = *packet;
      to.handle_packet(now_, *packet);
    }
    while (from.poll_event()) {
    }
  }

  static void drain(Association& association) {
    while (association.poll_packet()) {
    }
    while (association.poll_event()) {
    }
  }

  Instant now_{1000s};
  std::unique_ptr<Association> subject_;
  std::unique_ptr<Association> peer_;
  std::optional<Buffer> header_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Scene scene;
  if (!fuzz::play(scene, 6, {data, size})) return 0;
  for (int second = 0; second < 5; ++second) scene.pass(1s);
  return 0;
}
