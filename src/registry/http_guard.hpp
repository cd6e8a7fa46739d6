#pragma once

#include <string_view>

#include "net/http.hpp"

// What the registry asks of a request before it looks at credentials.
namespace chatixia::registry {

// "localhost", "127.0.0.1:8080", "[::1]": a name that no foreign DNS can make a browser send.
bool is_loopback_host(std::string_view host);

// True if the request came straight from this host, asked for by a loopback name. A page whose
// name was rebound to 127.0.0.1 sends its own name, and a proxy says that it forwards.
bool is_local(const net::HttpRequest& request);

// True if a browser sent the request from a page of another origin.
bool is_cross_origin(const net::HttpRequest& request);

}  // namespace chatixia::registry
