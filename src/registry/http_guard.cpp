#include "registry/http_guard.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "base/endpoint.hpp"

namespace chatixia::registry {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// "[::1]:80" and "::1" are one host; so are "localhost" and "localhost:80".
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end == host.npos ? std::string_view() : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  const std::string name = lower(without_port(host));
  if (name == "localhost") return true;
  const auto ip = IpAddress::parse(name);
  return ip && ip->is_loopback();
}

bool is_local(const net::HttpRequest& request) {
  constexpr std::array<std::string_view, 4> forwarding = {"forwarded", "via", "x-forwarded-for",
                                                          "x-real-ip"};
  if (std::ranges::any_of(forwarding, [&](std::string_view name) {
        return request.headers.find(name) != request.headers.end();
      }))
    return false;
  return request.remote.ip.is_loopback() && is_loopback_host(request.header("host"));
}

bool is_cross_origin(const net::HttpRequest& request) {
  const auto found = request.headers.find("origin");
  if (found == request.headers.end()) return false;
  const std::string_view origin = found->second;
  const std::size_t scheme = origin.find("://");
  // "null" is what sandboxed pages and local files send.
  if (scheme == origin.npos) return true;
  return lower(origin.substr(scheme + 3)) != lower(request.header("host"));
}

}  // namespace chatixia::registry
