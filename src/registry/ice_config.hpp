#pragma once

#include <string>
#include <vector>

#include "base/time.hpp"
#include "protocol/registry_api.hpp"

namespace chatixia::registry {

// The STUN and TURN servers that agents are told to use. The shared secret of a TURN server never
// leaves this object; what leaves are names and passwords that expire, as coturn's
// use-auth-secret understands them.
struct IceConfig {
  static constexpr Duration credentials_live = std::chrono::hours(24);

  std::vector<std::string> stun_urls;
  std::vector<std::string> turn_urls;
  std::string turn_secret;
  std::string turn_username;
  std::string turn_password;

  protocol::api::Config at(WallTime now) const;
};

}  // namespace chatixia::registry
