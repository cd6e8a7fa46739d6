#pragma once

#include <source_location>

namespace chatixia {

[[noreturn]] void report_broken_invariant(std::source_location where);

// A broken invariant is a bug, never an event: stop, in every build type, and say where.
inline void expects(bool holds, std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]]
    report_broken_invariant(where);
}

}  // namespace chatixia
