#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "net/loop.hpp"
#include "net/websocket.hpp"

namespace chatixia::net {

// Header names are lower case.
using Headers = std::multimap<std::string, std::string, std::less<>>;

struct HttpRequest {
  std::string method;  // "GET", also for HEAD, whose answer goes out without its body
  std::string path;    // percent-decoded, without query
  std::multimap<std::string, std::string, std::less<>> query;
  Headers headers;
  std::string body;
  Endpoint remote;

  // The first value, or empty.
  std::string_view header(std::string_view name) const;
  std::string_view parameter(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers;
  std::string body;
};

// Answers one request, at once or later, from the loop's thread. Destroyed unused: 500.
class HttpResponder {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void respond(HttpResponse response) = 0;
  };
  explicit HttpResponder(std::shared_ptr<Sink> sink) : sink_(std::move(sink)) {}
  HttpResponder(HttpResponder&&) = default;
  HttpResponder& operator=(HttpResponder&& other) noexcept;
  ~HttpResponder();
  void operator()(HttpResponse response);

 private:
  std::shared_ptr<Sink> sink_;
};

class HttpServer {
 public:
  struct Options {
    std::size_t body_bytes_max = limits::http_body_bytes_max;
    std::size_t header_bytes_max = 16 * 1024;
    std::size_t connections_max = 10'000;
    Duration request_timeout = std::chrono::seconds(15);  // from first byte to last, and idle 60 s
    WebSocket::Options websocket;
  };
  struct Handlers {
    std::function<void(HttpRequest, HttpResponder)> on_request;
    // A WebSocket upgrade: returns the response of a refusal, or takes it by returning nothing;
    // then on_websocket follows once the handshake is done.
    std::function<std::optional<HttpResponse>(const HttpRequest&)> on_upgrade;
    std::function<void(const HttpRequest&, std::shared_ptr<WebSocket>)> on_websocket;
  };

  // Port 0 takes a free one. Malformed requests are answered 400, 413, 431 or 408 by itself.
  static Result<std::unique_ptr<HttpServer>> listen(Loop& loop, const Endpoint& local,
                                                    const Options& options, Handlers handlers);
  // Stops accepting and closes every connection.
  virtual ~HttpServer() = default;
  virtual Endpoint local() const = 0;
  // Stops accepting, lets requests under way finish, closes WebSockets with 1001.
  virtual void shut_down() = 0;
};

// "http://host:port/path?query", https too; ws and wss likewise.
struct Url {
  std::string scheme;
  std::string host;
  std::uint16_t port = 0;
  std::string target;  // path and query, "/" at least
  static std::optional<Url> parse(std::string_view text);
  std::string to_string() const;
  bool is_secure() const { return scheme == "https" || scheme == "wss"; }
};

// One request on a connection of its own; TLS checks the server's certificate and name against
// the system's store. `done` is called exactly once, from the loop.
struct HttpCall {
  std::string method = "GET";
  Url url;
  Headers headers;
  std::string body;
  Duration timeout = std::chrono::seconds(10);
  std::size_t body_bytes_max = 16 * 1024 * 1024;
};
void http_request(Loop& loop, HttpCall call, std::function<void(Result<HttpResponse>)> done);

// Addresses of a host name, asynchronously; literals are answered without a look-up.
void resolve(Loop& loop, std::string host,
             std::function<void(Result<std::vector<IpAddress>>)> done);

}  // namespace chatixia::net
