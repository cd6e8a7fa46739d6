#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace chatixia {

void report_broken_invariant(std::source_location where) {
  std::fprintf(stderr, "%s:%u: broken invariant in %s\n", where.file_name(), where.line(),
               where.function_name());
  std::abort();
}

}  // namespace chatixia
