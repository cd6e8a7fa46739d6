#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/parse_error.hpp"

namespace chatixia::rtc::sdp {

// Who begins the DTLS handshake: RFC 4145, section 4, and RFC 8842.
enum class Setup { actpass, active, passive };

// What an offer or answer for one data-channel m-line says: RFC 8829, RFC 8839, RFC 8841 and
// RFC 8842. Everything else in it is skipped.
struct SessionDescription {
  std::uint64_t session_id = 0;
  std::uint64_t session_version = 1;
  std::string mid = "0";
  std::string ufrag;
  std::string password;
  // The SHA-256 fingerprint as text, "AA:BB:...".
  std::string fingerprint;
  Setup setup = Setup::actpass;
  std::uint16_t sctp_port = 5000;
  // Zero means any size: RFC 8841, section 6.1.
  std::uint64_t message_bytes_max = 64 * 1024;
  // Whole attribute values, "candidate:...", not looked into.
  std::vector<std::string> candidates;
  bool end_of_candidates = false;

  // `unsupported` for an m-line that is rejected or no data channel, and for a fingerprint that
  // is not SHA-256. Of the candidates, the first limits::candidates_max are kept.
  static std::expected<SessionDescription, ParseError> parse(std::string_view text);
  std::string encode() const;

  bool operator==(const SessionDescription&) const = default;
};

}  // namespace chatixia::rtc::sdp
