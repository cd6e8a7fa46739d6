#pragma once

#include "net/http.hpp"
#include "registry/http_routes.hpp"
#include "registry/moment.hpp"

namespace chatixia::registry {

// Takes HTTP requests to the handlers: finds the route, asks for credentials, refuses the rest.
class HttpApi {
 public:
  // Where requests without credentials are let in as 0.4 agents send them.
  enum class Anonymous { nowhere, from_this_host, everywhere };

  HttpApi(const Services& services, Anonymous anonymous)
      : services_(services), anonymous_(anonymous) {}

  void handle(const Moment& now, const net::HttpRequest& request, net::HttpResponder respond);

 private:
  Result<Principal> admit(const Moment& now, const net::HttpRequest& request,
                          const Access& access) const;

  Services services_;
  Anonymous anonymous_;
};

}  // namespace chatixia::registry
