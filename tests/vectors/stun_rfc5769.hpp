#pragma once

#include <string_view>

// The messages of RFC 5769, in hex.
namespace chatixia::testing::rfc5769 {

// Section 2.1: a request. Password "VOkJxbRl1RmTxUk/WvJxBt".
inline constexpr std::string_view request =
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf";

// Section 2.2: its response over IPv4, 192.0.2.1:32853.
inline constexpr std::string_view response_v4 =
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96";

// Section 2.3: over IPv6, [2001:db8:1234:5678:11:2233:4455:6677]:32853.
inline constexpr std::string_view response_v6 =
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c";

// Section 2.4: a request with long-term credentials and without FINGERPRINT. The password is given
// as SASLprep leaves it.
inline constexpr std::string_view long_term_request =
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b"
    "6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

inline constexpr std::string_view short_term_password = "VOkJxbRl1RmTxUk/WvJxBt";
inline constexpr std::string_view long_term_username =
    "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa"
    "\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9";
inline constexpr std::string_view long_term_password = "TheMatrIX";
inline constexpr std::string_view long_term_realm = "example.org";

}  // namespace chatixia::testing::rfc5769
