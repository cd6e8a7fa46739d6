#include <algorithm>
#include <charconv>

#include "net/http.hpp"

namespace chatixia::net {
namespace {

bool is_visible(char c) {
  return c > ' ' && c < '\x7f';
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), to_lower);
  return out;
}

bool is_name_character(char c) {
  const char l = to_lower(c);
  return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

// 80, 443, or 0 for a scheme that is not ours.
std::uint16_t default_port(std::string_view scheme) {
  if (scheme == "http" || scheme == "ws") return 80;
  if (scheme == "https" || scheme == "wss") return 443;
  return 0;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// Takes the host off the front of `authority`, leaving ":port" or nothing.
std::optional<std::string> take_host(std::string_view& authority) {
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view literal = authority.substr(1, close - 1);
    const auto ip = IpAddress::parse(literal);
    if (!ip || literal.find(':') == std::string_view::npos) return std::nullopt;
    authority.remove_prefix(close + 1);
    return std::string(literal);
  }
  const std::string_view name = authority.substr(0, authority.find(':'));
  constexpr std::size_t name_bytes_max = 253;  // RFC 1035, section 2.3.4
  if (name.empty() || name.size() > name_bytes_max || !std::ranges::all_of(name, is_name_character))
    return std::nullopt;
  authority.remove_prefix(name.size());
  return lower(name);
}

}  // namespace

std::optional<Url> Url::parse(std::string_view text) {
  if (!std::ranges::all_of(text, is_visible)) return std::nullopt;
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  Url url;
  url.scheme = lower(text.substr(0, colon));
  url.port = default_port(url.scheme);
  if (url.port == 0) return std::nullopt;

  const std::string_view rest = text.substr(colon + 3);
  const auto slash = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, slash);
  auto host = take_host(authority);
  if (!host) return std::nullopt;
  url.host = std::move(*host);
  if (!authority.empty()) {
    const auto port = authority.starts_with(':') ? parse_port(authority.substr(1)) : std::nullopt;
    if (!port) return std::nullopt;
    url.port = *port;
  }

  std::string_view target = rest.substr(slash);
  target = target.substr(0, target.find('#'));
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return url;
}

std::string Url::to_string() const {
  const bool v6 = host.find(':') != std::string::npos;
  std::string text = scheme + "://" + (v6 ? "[" + host + "]" : host);
  if (port != default_port(scheme)) text += ":" + std::to_string(port);
  return text + target;
}

}  // namespace chatixia::net
