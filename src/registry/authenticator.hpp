#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/http.hpp"
#include "registry/key_file.hpp"
#include "registry/moment.hpp"
#include "registry/principal.hpp"
#include "registry/tokens.hpp"

namespace chatixia::registry {

// Tells who a request comes from.
class Authenticator {
 public:
  Authenticator(KeyFile& keys, const Tokens& tokens) : keys_(keys), tokens_(tokens) {}

  // By X-API-Key or Authorization: Bearer. Errc::missing_credential without either; a credential
  // that is sent must be right, or the request is refused.
  [[nodiscard]] Result<Principal> identify(const Moment& now, const net::HttpRequest& request);
  // By Authorization: Bearer or the query's `token`, as 0.4 sidecars send it.
  [[nodiscard]] Result<Principal> identify_upgrade(const Moment& now,
                                                   const net::HttpRequest& request) const;
  // By X-API-Key alone: what POST /api/token takes.
  [[nodiscard]] Result<Principal> identify_by_key(const Moment& now,
                                                  const net::HttpRequest& request);

  std::string issue(const Moment& now, const Principal& principal) const {
    return tokens_.issue(principal, now.wall);
  }

 private:
  KeyFile& keys_;
  const Tokens& tokens_;
};

}  // namespace chatixia::registry
