#include "net/http_text.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include "base/utf8.hpp"

namespace chatixia::net {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) c = ' ';
    if (c == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    out.push_back(c);
  }
  if (!is_utf8(out)) return std::nullopt;
  return out;
}

bool decode_query(std::string_view text, HttpTarget& target) {
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    auto name = decode(pair.substr(0, equals), true);
    auto value = decode(pair.substr(std::min(pair.size(), equals + 1)), true);
    if (!name || !value) return false;
    target.query.emplace(std::move(*name), std::move(*value));
  }
  return true;
}

bool is_token_character(char c) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         others.find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_character);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// What frames a message is decided where it is written.
bool is_framing(std::string_view name) {
  constexpr std::array names = {"connection", "content-length", "transfer-encoding", "upgrade"};
  return std::ranges::any_of(names, [&](const char* n) { return equals_ignoring_case(name, n); });
}

// RFC 9110, section 5.6.7.
std::string http_date() {
  const std::time_t now_seconds =
      std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&now_seconds, &utc);
  std::array<char, 40> text{};
  const auto size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text.data(), size};
}

}  // namespace

std::optional<HttpTarget> HttpTarget::parse(std::string_view text) {
  if (text.starts_with("http://") || text.starts_with("https://")) {
    const auto slash = text.find('/', text.find("://") + 3);
    text = slash == std::string_view::npos ? "/" : text.substr(slash);
  }
  if (!text.starts_with('/')) return std::nullopt;
  const auto question = std::min(text.find('?'), text.size());
  auto path = decode(text.substr(0, question), false);
  if (!path) return std::nullopt;
  HttpTarget target{.path = std::move(*path)};
  if (!decode_query(text.substr(std::min(text.size(), question + 1)), target)) return std::nullopt;
  return target;
}

bool is_valid_header(std::string_view name, std::string_view value) {
  const auto fits = [](char c) { return c == '\t' || static_cast<unsigned char>(c) >= ' '; };
  return is_token(name) && std::ranges::all_of(value, fits) &&
         value.find('\x7f') == std::string_view::npos;
}

std::string encode_head(const HttpResponse& response, bool keep_alive) {
  namespace http = boost::beast::http;
  const std::string_view reason =
      http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nConnection: {}\r\n", response.status, reason,
                  http_date(), keep_alive ? "keep-alive" : "close");
  // RFC 9110, section 8.6: these have no body, and so no length.
  if (response.status != 204 && response.status != 304) {
    head += fmt::format("Content-Length: {}\r\n", response.body.size());
    if (!response.content_type.empty() && is_valid_header("content-type", response.content_type))
      head += fmt::format("Content-Type: {}\r\n", response.content_type);
  }
  for (const auto& [name, value] : response.headers)
    if (!is_framing(name) && is_valid_header(name, value))
      head += fmt::format("{}: {}\r\n", name, value);
  return head += "\r\n";
}

std::optional<std::string> encode_head(const HttpCall& call) {
  const Url& url = call.url;
  const auto visible = [](char c) { return c > ' ' && c < '\x7f'; };
  if (!is_token(call.method) || !url.target.starts_with('/') ||
      !std::ranges::all_of(url.target, visible))
    return std::nullopt;
  std::string authority = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  if (url.port != (url.is_secure() ? 443 : 80)) authority += fmt::format(":{}", url.port);

  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", call.method,
                                 url.target, authority);
  if (!call.headers.contains("user-agent")) head += "User-Agent: chatixia-mesh\r\n";
  if (!call.body.empty() || call.method == "POST" || call.method == "PUT" || call.method == "PATCH")
    head += fmt::format("Content-Length: {}\r\n", call.body.size());
  for (const auto& [name, value] : call.headers) {
    if (!is_valid_header(name, value)) return std::nullopt;
    if (!is_framing(name) && name != "host") head += fmt::format("{}: {}\r\n", name, value);
  }
  return head += "\r\n";
}

HttpResponse make_problem(int status, std::string_view code, std::string_view message) {
  HttpResponse response{.status = status};
  response.body = fmt::format(R"({{"error":"{0}","code":"{1}","message":"{0}"}})", message, code);
  return response;
}

}  // namespace chatixia::net
