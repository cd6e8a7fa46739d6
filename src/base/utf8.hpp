#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace chatixia {

// Well-formed UTF-8 as RFC 3629 defines it: no overlong form, no surrogate, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

// Appends one code point, which is below U+110000 and no surrogate.
void append_utf8(std::string& out, std::uint32_t code);

}  // namespace chatixia
