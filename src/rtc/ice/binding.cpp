#include "rtc/ice/binding.hpp"

namespace chatixia::rtc::ice {

using stun::AttributeType;

Buffer encode_check(const stun::TransactionId& id, const Credentials& local,
                    const Credentials& remote, const CheckFields& fields) {
  stun::Builder builder(stun::Class::request, stun::Method::binding, id);
  builder.text(AttributeType::username, remote.ufrag + ":" + local.ufrag)
      .u32(AttributeType::priority, fields.priority)
      .u64(fields.role == Role::controlling ? AttributeType::ice_controlling
                                            : AttributeType::ice_controlled,
           fields.tie_breaker);
  if (fields.use_candidate) builder.flag(AttributeType::use_candidate);
  return builder.integrity(as_bytes(remote.password)).fingerprint().take();
}

std::optional<CheckUsername> CheckUsername::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  return CheckUsername{text.substr(0, colon), text.substr(colon + 1)};
}

std::optional<Role> sender_role(const stun::Message& request) {
  if (request.u64(AttributeType::ice_controlling)) return Role::controlling;
  if (request.u64(AttributeType::ice_controlled)) return Role::controlled;
  return std::nullopt;
}

std::optional<CheckFields> read_check(const stun::Message& request) {
  const auto priority = request.u32(AttributeType::priority);
  if (!priority) return std::nullopt;
  CheckFields fields;
  fields.priority = *priority;
  fields.role = sender_role(request).value_or(Role::controlling);
  fields.tie_breaker = request.u64(AttributeType::ice_controlling)
                           .value_or(request.u64(AttributeType::ice_controlled).value_or(0));
  fields.use_candidate = request.has(AttributeType::use_candidate);
  return fields;
}

Buffer encode_check_success(const stun::TransactionId& id, const Endpoint& source,
                            const Credentials& local) {
  return stun::Builder(stun::Class::success, stun::Method::binding, id)
      .xor_address(AttributeType::xor_mapped_address, source)
      .integrity(as_bytes(local.password))
      .fingerprint()
      .take();
}

Buffer encode_check_error(const stun::TransactionId& id, std::uint16_t code,
                          std::span<const AttributeType> unknown, const Credentials& local) {
  stun::Builder builder(stun::Class::error, stun::Method::binding, id);
  builder.error(code, code == 487 ? "Role Conflict" : "Unknown Attribute");
  if (!unknown.empty()) builder.unknown_attributes(unknown);
  return builder.integrity(as_bytes(local.password)).fingerprint().take();
}

std::uint32_t peer_reflexive_priority(const Candidate& local) {
  constexpr std::uint32_t type_preference = 110;
  return type_preference << 24 | (local.priority & 0x00ffffff);
}

}  // namespace chatixia::rtc::ice
