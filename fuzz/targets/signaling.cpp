#include "protocol/signaling.hpp"

#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/limits.hpp"

using namespace chatixia;
using namespace chatixia::protocol::signaling;

namespace {

// What is printed means what was read.
template <class T>
void check(std::string_view text) {
  const auto read = T::parse(text);
  if (!read) return;
  const std::string printed = read->encode();
  // Escaping can push a text over the limit.
  if (printed.size() > limits::signal_bytes_max) return;
  const auto again = T::parse(printed);
  expects(again.has_value());
  expects(*again == *read);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  check<Envelope>(text);
  check<PeerList>(text);
  check<Description>(text);
  check<IceCandidate>(text);
  check<Links>(text);
  check<Refusal>(text);
  if (const auto envelope = Envelope::parse(text)) {
    check<PeerList>(envelope->payload);
    check<Description>(envelope->payload);
    check<IceCandidate>(envelope->payload);
    check<Links>(envelope->payload);
    check<Refusal>(envelope->payload);
  }
  return 0;
}
