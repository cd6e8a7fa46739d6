#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "json/json.hpp"
#include "net/http.hpp"
#include "protocol/errors.hpp"
#include "registry/authenticator.hpp"
#include "registry/directory.hpp"
#include "registry/ice_config.hpp"
#include "registry/moment.hpp"
#include "registry/principal.hpp"
#include "registry/signaling_hub.hpp"
#include "registry/task_board.hpp"

namespace chatixia::registry {

// What the handlers work on.
struct Services {
  Authenticator& authenticator;
  Directory& directory;
  TaskBoard& tasks;
  SignalingHub& signaling;
  const IceConfig& ice;
};

// One request on its way to its handler. The request itself lives until the handler returns.
struct Call {
  Moment now;
  const net::HttpRequest& request;
  std::string id;  // what stood at {id} in the path
  Principal principal;
  net::HttpResponder respond;
};

// Who may call. There is no default: a route that names no role is open to nobody.
struct Access {
  enum class Stranger {
    refused,
    // As 0.4 agents and the 0.4 hub call; let in where HttpApi::Anonymous says so.
    compatible,
    // The handler needs no credential, or checks its own kind.
    welcome,
  };
  RoleSet roles;
  Stranger stranger = Stranger::refused;
};

struct Route {
  std::string_view method;
  std::string_view pattern;
  Access access;
  void (*handler)(const Services& services, Call call);
};

// Every route of the API.
std::span<const Route> http_routes();

net::HttpResponse json_response(const json::Value& value);
// {"error", "code", "message", "hint"} with the status of the code; 0.4 clients read `error`.
net::HttpResponse problem_response(const Error& error);
net::HttpResponse problem_response(const protocol::Problem& problem, json::Object more);

}  // namespace chatixia::registry
