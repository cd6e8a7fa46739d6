#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace chatixia::crypto {

std::string to_hex(Bytes bytes);
std::optional<Buffer> from_hex(std::string_view text);

// RFC 4648, section 4, with padding.
std::string to_base64(Bytes bytes);
// RFC 4648, section 5, without padding, as JWTs use it.
std::string to_base64url(Bytes bytes);
// Strict: no padding, no whitespace, no stray bits.
std::optional<Buffer> from_base64url(std::string_view text);

}  // namespace chatixia::crypto
