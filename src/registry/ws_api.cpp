#include "registry/ws_api.hpp"

#include <utility>

#include "registry/errc.hpp"
#include "registry/http_routes.hpp"

namespace chatixia::registry {
namespace {

// Who may be a peer of the mesh; a viewer only looks on.
constexpr RoleSet peers{Role::agent, Role::operator_, Role::admin};

constexpr std::uint16_t unauthorized_code = 4401;

}  // namespace

class WsApi::Connection final : public Bus::Connection {
 public:
  explicit Connection(std::shared_ptr<net::WebSocket> socket) : socket_(std::move(socket)) {}

  // Either call may end this connection before it returns; the socket outlives that.
  bool deliver(std::string envelope) override {
    const auto socket = socket_;
    return socket->send_text(std::move(envelope));
  }
  void close(std::uint16_t code, std::string reason) override {
    const auto socket = socket_;
    socket->close(code, std::move(reason));
  }

 private:
  std::shared_ptr<net::WebSocket> socket_;
};

WsApi::WsApi(SignalingHub& hub, const Authenticator& authenticator, std::function<Moment()> clock)
    : hub_(hub), authenticator_(authenticator), clock_(std::move(clock)) {}

WsApi::~WsApi() = default;

Result<Principal> WsApi::admit(const net::HttpRequest& request) const {
  auto principal = authenticator_.identify_upgrade(clock_(), request);
  if (!principal) return principal;
  if (!peers.contains(principal->role))
    return fail(Errc::forbidden, "a viewer is no peer of the mesh");
  return principal;
}

std::optional<net::HttpResponse> WsApi::check_upgrade(const net::HttpRequest& request) const {
  if (request.path != path) return problem_response(Error{Errc::not_found, {}});
  const auto principal = admit(request);
  if (!principal) return problem_response(principal.error());
  return std::nullopt;
}

void WsApi::accept(const net::HttpRequest& request, std::shared_ptr<net::WebSocket> socket) {
  // The token may have expired while the handshake was under way.
  const auto principal = admit(request);
  if (!principal) {
    socket->start({});
    return socket->close(unauthorized_code, principal.error().message());
  }
  auto connection = std::make_unique<Connection>(socket);
  const auto id = hub_.open(clock_().instant, principal->peer, *connection);
  connections_.emplace(id, std::move(connection));
  socket->start(
      {.on_text = [this,
                   id](std::string_view text) { hub_.handle_text(clock_().instant, id, text); },
       .on_closed =
           [this, id](std::uint16_t, const std::string&) {
             hub_.handle_closed(id);
             connections_.erase(id);
           }});
}

}  // namespace chatixia::registry
