#include <string_view>

#include "base/assert.hpp"
#include "base/bytes.hpp"

// Must crash, in a replay of its corpus and after a moment of fuzzing: it proves that the machinery
// sees a broken invariant.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chatixia::expects(!chatixia::as_text({data, size}).starts_with("bug"));
  return 0;
}
