#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "rtc/ice/candidate.hpp"

// Whatever is read can be written, and reads back as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using chatixia::rtc::ice::Candidate;
  const auto candidate = Candidate::parse(chatixia::as_text({data, size}));
  if (!candidate) return 0;
  const std::string line = candidate->encode();
  const auto again = Candidate::parse(line);
  chatixia::expects(again.has_value() && *again == *candidate);
  chatixia::expects(again->encode() == line);
  return 0;
}
