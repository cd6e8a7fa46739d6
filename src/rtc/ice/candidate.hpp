#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"
#include "base/parse_error.hpp"

namespace chatixia::rtc::ice {

enum class CandidateType { host, server_reflexive, peer_reflexive, relayed };

// "host", "srflx", "prflx", "relay".
std::string_view to_string(CandidateType type);

// A transport address that may reach an agent: RFC 8445, section 5.1. UDP, component 1 only.
struct Candidate {
  CandidateType type = CandidateType::host;
  std::string foundation;
  std::uint32_t priority = 0;
  Endpoint address;
  // The address to send from; for a relayed candidate the relayed address itself. Local only.
  Endpoint base;
  std::optional<Endpoint> related;

  // The attribute value without "a=": "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host".
  // Unknown extensions are skipped. TCP candidates, other components and host names (mDNS)
  // are `unsupported`, which callers skip in silence.
  static std::expected<Candidate, ParseError> parse(std::string_view line);
  std::string encode() const;

  bool operator==(const Candidate&) const = default;
};

// RFC 8445, section 5.1.2.1.
std::uint32_t candidate_priority(CandidateType type, std::uint16_t local_preference);

// RFC 8445, section 6.1.2.3.
std::uint64_t pair_priority(std::uint32_t controlling, std::uint32_t controlled);

}  // namespace chatixia::rtc::ice
