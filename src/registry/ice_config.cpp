#include "registry/ice_config.hpp"

#include <fmt/format.h>

#include "crypto/digest.hpp"
#include "crypto/encoding.hpp"

namespace chatixia::registry {

protocol::api::Config IceConfig::at(WallTime now) const {
  protocol::api::Config config;
  if (!stun_urls.empty()) config.ice_servers.push_back({.urls = stun_urls});
  if (turn_urls.empty()) return config;

  protocol::api::IceServer turn{
      .urls = turn_urls, .username = turn_username, .credential = turn_password};
  if (!turn_secret.empty()) {
    const auto expiry =
        std::chrono::floor<std::chrono::seconds>((now + credentials_live).time_since_epoch());
    turn.username = fmt::format("{}:mesh", expiry.count());
    turn.credential =
        crypto::to_base64(crypto::hmac_sha1(as_bytes(turn_secret), as_bytes(turn.username)));
  }
  config.ice_servers.push_back(std::move(turn));
  return config;
}

}  // namespace chatixia::registry
