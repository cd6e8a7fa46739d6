#include "sidecar/ice_servers.hpp"

#include <charconv>
#include <memory>
#include <optional>

#include "base/log.hpp"
#include "crypto/digest.hpp"
#include "crypto/encoding.hpp"
#include "net/http.hpp"

namespace chatixia::sidecar {
namespace {

constexpr Log log("ice");
constexpr std::size_t servers_max = 8;
constexpr std::uint16_t default_port = 3478;

struct ServerUrl {
  rtc::ice::Server::Kind kind;
  std::string host;
  std::uint16_t port = default_port;
};

// RFC 7064 and RFC 7065; only UDP can be used.
std::optional<ServerUrl> parse_server_url(std::string_view url) {
  ServerUrl server;
  if (url.starts_with("stun:")) {
    server.kind = rtc::ice::Server::Kind::stun;
  } else if (url.starts_with("turn:")) {
    server.kind = rtc::ice::Server::Kind::turn;
  } else {
    return std::nullopt;
  }
  std::string_view rest = url.substr(5);
  if (const std::size_t query = rest.find('?'); query != std::string_view::npos) {
    if (rest.substr(query) != "?transport=udp") return std::nullopt;
    rest = rest.substr(0, query);
  }
  const std::size_t bracket = rest.rfind(']');
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const std::string_view digits = rest.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), server.port);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    rest = rest.substr(0, colon);
  }
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  server.host = rest;
  return server.host.empty() ? std::nullopt : std::optional(server);
}

// Collects the answers of several look-ups; the last one hands them over.
struct Resolution {
  std::vector<rtc::ice::Server> servers;
  std::function<void(std::vector<rtc::ice::Server>)> done;
  std::size_t open = 1;  // look-ups, and the one who starts them
  void settle() {
    if (--open == 0) done(std::move(servers));
  }
};

}  // namespace

protocol::api::Config configured_servers(const Options& options, WallTime now) {
  protocol::api::Config config;
  if (options.turn_url.empty()) return config;
  protocol::api::IceServer server{{options.turn_url}, options.turn_username, options.turn_password};
  if (!options.turn_secret.empty()) {
    const auto expiry = std::chrono::duration_cast<std::chrono::seconds>(
        (now + std::chrono::hours(24)).time_since_epoch());
    server.username = std::to_string(expiry.count()) + ":mesh";
    server.credential = crypto::to_base64(
        crypto::hmac_sha1(as_bytes(options.turn_secret), as_bytes(server.username)));
  }
  config.ice_servers.push_back(std::move(server));
  return config;
}

void resolve_servers(net::Loop& loop, const protocol::api::Config& config,
                     std::function<void(std::vector<rtc::ice::Server>)> done) {
  auto resolution = std::make_shared<Resolution>();
  resolution->done = std::move(done);
  std::size_t count = 0;
  for (const auto& entry : config.ice_servers) {
    for (const std::string& url : entry.urls) {
      const auto parsed = parse_server_url(url);
      if (!parsed || ++count > servers_max) {
        log.info("server not used", {{"url", url}});
        continue;
      }
      ++resolution->open;
      rtc::ice::Server server{parsed->kind, {}, entry.username, entry.credential};
      net::resolve(loop, parsed->host,
                   [resolution, server, port = parsed->port,
                    url](Result<std::vector<IpAddress>> addresses) mutable {
                     if (addresses && !addresses->empty()) {
                       server.address = {addresses->front(), port};
                       resolution->servers.push_back(server);
                     } else {
                       log.warning("server name not resolved", {{"url", url}});
                     }
                     resolution->settle();
                   });
    }
  }
  loop.post([resolution] { resolution->settle(); });
}

}  // namespace chatixia::sidecar
