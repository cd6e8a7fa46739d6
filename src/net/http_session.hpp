#pragma once

#include <list>
#include <optional>
#include <unordered_set>
#include <vector>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "net/http.hpp"
#include "net/stream.hpp"
#include "net/task.hpp"

namespace chatixia::net {

class HttpSession;

// What the sessions of one server share, and what remains of it while they end.
struct HttpServerState {
  Loop& loop;
  HttpServer::Options options;
  std::shared_ptr<HttpServer::Handlers> handlers;  // null once the server is gone
  std::unordered_set<HttpSession*> sessions = {};
  std::vector<std::weak_ptr<WebSocket>> websockets = {};
  bool shutting_down = false;
  // Every connection holds a copy, so its count is theirs and one.
  std::shared_ptr<void> slots = std::make_shared<char>();
};

// One connection: reads a request, has it answered, writes the answer, one after the other.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(std::shared_ptr<HttpServerState> server, TcpSocket socket, const Endpoint& remote);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  static Task<void> serve(std::shared_ptr<HttpSession> self);
  // Lets a request under way finish.
  void shut_down();
  // At once.
  void close();
  void respond(HttpResponse response);

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Message = boost::beast::http::request<boost::beast::http::string_body>;
  enum class Next { request, close, close_gently };

  Task<bool> await_first_byte();
  Task<std::optional<HttpResponse>> read_message(Message& message);
  Task<ErrorCode> read_parts(Parser& parser);
  Task<Next> answer(Message message);
  Task<Next> upgrade(HttpRequest request, Message message);
  Task<HttpResponse> ask(HttpRequest request);
  Task<bool> write(HttpResponse response, bool keep_alive, bool with_body);
  std::optional<HttpRequest> to_request(Message& message) const;
  bool may_go_on() const { return server_->handlers != nullptr && socket_.is_open(); }

  std::shared_ptr<HttpServerState> server_;
  TcpSocket socket_;
  Endpoint remote_;
  std::shared_ptr<void> slot_;
  Timer timer_;
  SteadyTimer answered_;
  boost::beast::flat_buffer input_;
  std::optional<HttpResponse> response_;
  bool idle_ = true;
  bool first_ = true;
  bool timed_out_ = false;
};

}  // namespace chatixia::net
