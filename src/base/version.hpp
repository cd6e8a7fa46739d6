#pragma once

#include <string_view>

namespace chatixia {

// The version of the programs and libraries, as the build names it.
inline constexpr std::string_view version = CHATIXIA_VERSION;

}  // namespace chatixia
