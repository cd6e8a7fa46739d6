#pragma once

#include <array>
#include <string_view>

#include "base/bytes.hpp"

namespace chatixia::crypto {

using Md5 = std::array<std::uint8_t, 16>;
using Sha1 = std::array<std::uint8_t, 20>;
using Sha256 = std::array<std::uint8_t, 32>;

// Only for the long-term credential key of RFC 8489, section 9.2.2; never for anything new.
Md5 md5(Bytes bytes);
Sha256 sha256(Bytes bytes);
Sha1 hmac_sha1(Bytes key, Bytes bytes);
Sha256 hmac_sha256(Bytes key, Bytes bytes);

// Compares without telling by its time where the first difference is; sizes may differ.
bool equal_in_constant_time(Bytes a, Bytes b);

}  // namespace chatixia::crypto
