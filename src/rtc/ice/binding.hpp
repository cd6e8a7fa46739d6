#pragma once

#include <optional>
#include <string_view>

#include "rtc/ice/agent.hpp"
#include "rtc/stun/message.hpp"

namespace chatixia::rtc::ice {

// What a connectivity check says: RFC 8445, section 7.1.
struct CheckFields {
  std::uint32_t priority = 0;
  Role role = Role::controlling;
  std::uint64_t tie_breaker = 0;
  bool use_candidate = false;
};

Buffer encode_check(const stun::TransactionId& id, const Credentials& local,
                    const Credentials& remote, const CheckFields& fields);

// The USERNAME of a check, "receiver:sender".
struct CheckUsername {
  std::string_view receiver;
  std::string_view sender;

  static std::optional<CheckUsername> parse(std::string_view text);
};

// What a request says, with its integrity already verified. Nothing when PRIORITY is missing.
std::optional<CheckFields> read_check(const stun::Message& request);
// The role the sender says it has; absent when it says none.
std::optional<Role> sender_role(const stun::Message& request);

Buffer encode_check_success(const stun::TransactionId& id, const Endpoint& source,
                            const Credentials& local);
// 487 Role Conflict, or 420 with what was not understood.
Buffer encode_check_error(const stun::TransactionId& id, std::uint16_t code,
                          std::span<const stun::AttributeType> unknown, const Credentials& local);

// The priority a peer-reflexive candidate learned from a check would have: section 7.1.1.
std::uint32_t peer_reflexive_priority(const Candidate& local);

}  // namespace chatixia::rtc::ice
