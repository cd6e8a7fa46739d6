#include "registry/http_api.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/errors.hpp"
#include "registry/errc.hpp"
#include "registry/http_guard.hpp"

namespace chatixia::registry {
namespace {

namespace error_code = protocol::error_code;

// What stands at {id}, slashes included, for the path is decoded; empty for a pattern without one.
// Nothing if the path is another.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
  const std::size_t hole = pattern.find("{id}");
  if (hole == pattern.npos)
    return path == pattern ? std::optional<std::string_view>("") : std::nullopt;
  if (!path.starts_with(pattern.substr(0, hole))) return std::nullopt;
  const std::string_view id = path.substr(hole);
  if (id.empty()) return std::nullopt;
  return id;
}

struct Match {
  const Route* route = nullptr;
  std::string id;
  std::string allowed;  // the methods of the path, when the request's is none of them
};

// A literal path stands before one with {id} in the table and wins.
Match find_route(const net::HttpRequest& request) {
  Match found;
  for (const Route& route : http_routes()) {
    const auto id = match(route.pattern, request.path);
    if (!id) continue;
    if (route.method == request.method) return {.route = &route, .id = std::string(*id)};
    if (!found.allowed.empty()) found.allowed += ", ";
    found.allowed += route.method;
  }
  return found;
}

net::HttpResponse no_route(const Match& match) {
  if (match.allowed.empty()) return problem_response(Error{Errc::not_found, {}});
  auto response = problem_response(protocol::make_problem(error_code::method_not_allowed), {});
  response.headers.emplace("allow", match.allowed);
  return response;
}

bool changes_state(std::string_view method) {
  return method != "GET" && method != "OPTIONS";
}

// Answers are for the one who asked, and are what they say they are.
class PrivateSink final : public net::HttpResponder::Sink {
 public:
  explicit PrivateSink(net::HttpResponder respond) : respond_(std::move(respond)) {}
  void respond(net::HttpResponse response) override {
    response.headers.emplace("cache-control", "no-store");
    response.headers.emplace("x-content-type-options", "nosniff");
    respond_(std::move(response));
  }

 private:
  net::HttpResponder respond_;
};

}  // namespace

void HttpApi::handle(const Moment& now, const net::HttpRequest& request,
                     net::HttpResponder respond) {
  net::HttpResponder answer(std::make_shared<PrivateSink>(std::move(respond)));
  if (changes_state(request.method) && is_cross_origin(request))
    return answer(problem_response(Error{Errc::cross_origin, {}}));

  Match match = find_route(request);
  if (match.route == nullptr) return answer(no_route(match));
  auto principal = admit(now, request, match.route->access);
  if (!principal) return answer(problem_response(principal.error()));
  match.route->handler(services_, Call{.now = now,
                                       .request = request,
                                       .id = std::move(match.id),
                                       .principal = *std::move(principal),
                                       .respond = std::move(answer)});
}

Result<Principal> HttpApi::admit(const Moment& now, const net::HttpRequest& request,
                                 const Access& access) const {
  if (access.stranger == Access::Stranger::welcome) return Principal{};
  auto principal = services_.authenticator.identify(now, request);
  if (principal) {
    if (!access.roles.contains(principal->role)) return fail(Errc::forbidden);
    return principal;
  }
  // A wrong credential is wrong everywhere: only its absence is what 0.4 did.
  const bool let_in = principal.error().code == Errc::missing_credential &&
                      access.stranger == Access::Stranger::compatible &&
                      (anonymous_ == Anonymous::everywhere ||
                       (anonymous_ == Anonymous::from_this_host && is_local(request)));
  if (let_in) return Principal{};
  return principal;
}

}  // namespace chatixia::registry
