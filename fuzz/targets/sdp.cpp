#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "rtc/sdp/session_description.hpp"

// Whatever is read can be written, and reads the same again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using chatixia::rtc::sdp::SessionDescription;
  const auto parsed = SessionDescription::parse(chatixia::as_text({data, size}));
  if (!parsed) return 0;
  const auto again = SessionDescription::parse(parsed->encode());
  chatixia::expects(again.has_value() && *again == *parsed);
  return 0;
}
