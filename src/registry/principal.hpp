#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/strong.hpp"

namespace chatixia::registry {

enum class Role : std::uint8_t { viewer, agent, operator_, admin };

constexpr std::string_view role_name(Role role) {
  switch (role) {
    case Role::viewer:
      return "viewer";
    case Role::agent:
      return "agent";
    case Role::operator_:
      return "operator";
    case Role::admin:
      return "admin";
  }
  return "viewer";
}

constexpr std::optional<Role> parse_role(std::string_view text) {
  for (const Role role : {Role::viewer, Role::agent, Role::operator_, Role::admin})
    if (role_name(role) == text) return role;
  return std::nullopt;
}

class RoleSet {
 public:
  constexpr RoleSet() = default;
  constexpr RoleSet(std::initializer_list<Role> roles) {
    for (const Role role : roles) bits_ |= bit(role);
  }
  constexpr bool contains(Role role) const { return (bits_ & bit(role)) != 0; }

 private:
  static constexpr std::uint8_t bit(Role role) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(role));
  }
  std::uint8_t bits_ = 0;
};

// Who asks, as the credential says; nothing in a request's body changes it. A request without a
// credential, where that is allowed, has the empty peer and sees what a viewer sees.
struct Principal {
  PeerId peer;
  Role role = Role::viewer;

  bool is_admin() const { return role == Role::admin; }
  bool is_anonymous() const { return peer.value().empty(); }
  bool operator==(const Principal&) const = default;
};

}  // namespace chatixia::registry
