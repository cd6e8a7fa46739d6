#pragma once

#include <string_view>

namespace chatixia {

// Well-formed UTF-8 as RFC 3629 defines it: no overlong form, no surrogate, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace chatixia
