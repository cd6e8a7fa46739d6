#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http.hpp"

// The parts of HTTP/1.1 text that are short enough to write and read without a library.
namespace chatixia::net {

// The target of a request, decoded.
struct HttpTarget {
  std::string path;
  std::multimap<std::string, std::string, std::less<>> query;

  // Origin form or absolute form (RFC 9112, section 3.2). Nothing unless every escape is whole and
  // the result is UTF-8 without NUL. In the query "+" is a space, as HTML forms write it.
  static std::optional<HttpTarget> parse(std::string_view text);
};

// A header that can be written without turning into something else (RFC 9110, section 5).
bool is_valid_header(std::string_view name, std::string_view value);

// The status line and headers of an answer, up to the empty line. Headers that are not valid, or
// that only the server may set, are left out.
std::string encode_head(const HttpResponse& response, bool keep_alive);
// Nothing when the method or a header of the call is not valid.
std::optional<std::string> encode_head(const HttpCall& call);

// The JSON body of a refusal that the server itself makes.
HttpResponse make_problem(int status, std::string_view code, std::string_view message);

}  // namespace chatixia::net
