#include "net/http_session.hpp"

#include <algorithm>
#include <array>

#include <boost/asio/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include "net/drain.hpp"
#include "net/http_read.hpp"
#include "net/http_text.hpp"
#include "net/websocket_accept.hpp"

namespace chatixia::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

// A connection without a request, and a client that does not take its answer.
constexpr Duration idle_max = std::chrono::seconds(60);

// Most requests fit, and idle connections hold no more.
constexpr std::size_t first_read_bytes = 2 * 1024;

class SessionSink final : public HttpResponder::Sink {
 public:
  explicit SessionSink(std::shared_ptr<HttpSession> session) : session_(std::move(session)) {}
  void respond(HttpResponse response) override { session_->respond(std::move(response)); }

 private:
  std::shared_ptr<HttpSession> session_;
};

HttpResponse problem_of(const ErrorCode& error, bool timed_out) {
  if (timed_out) return make_problem(408, "deadline_exceeded", "the request took too long");
  if (error == http::error::body_limit)
    return make_problem(413, "too_large", "the body of the request is too large");
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return make_problem(431, "too_large", "the headers of the request are too large");
  return make_problem(400, "bad_request", "the request is not valid HTTP");
}

// Nobody is there to read an answer.
bool is_gone(const ErrorCode& error) {
  const bool is_http = error.category() == make_error_code(http::error::bad_value).category();
  return !is_http || error == http::error::end_of_stream || error == http::error::partial_message;
}

// RFC 9112, sections 3.2 and 6.1: one Host, and no transfer coding but chunked.
bool is_proper(const http::request<http::string_body>& message) {
  const auto hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() >= 11)) return false;
  return message.count(http::field::transfer_encoding) == 0 || message.chunked();
}

bool may_take(const HttpServerState& server) {
  return server.handlers != nullptr && !server.shutting_down;
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

HttpSession::HttpSession(std::shared_ptr<HttpServerState> server, TcpSocket socket,
                         const Endpoint& remote)
    : server_(std::move(server)),
      socket_(std::move(socket)),
      remote_(remote),
      slot_(server_->slots),
      timer_(server_->loop,
             [this] {
               timed_out_ = true;
               ErrorCode ignored;
               socket_.cancel(ignored);
             }),
      answered_(executor_of(server_->loop)) {
  server_->sessions.insert(this);
}

HttpSession::~HttpSession() {
  server_->sessions.erase(this);
}

void HttpSession::shut_down() {
  if (idle_) close();
}

void HttpSession::close() {
  ErrorCode ignored;
  socket_.close(ignored);
  answered_.cancel();
}

void HttpSession::respond(HttpResponse response) {
  if (!response_) response_ = std::move(response);
  answered_.cancel();
}

Task<void> HttpSession::serve(std::shared_ptr<HttpSession> self) {
  Next next = Next::request;
  while (next == Next::request && self->may_go_on()) {
    const bool begun = co_await self->await_first_byte();
    if (!begun || !self->may_go_on()) co_return;
    Message message;
    auto problem = co_await self->read_message(message);
    if (!self->may_go_on()) co_return;
    if (problem) {
      const bool written = co_await self->write(std::move(*problem), false, true);
      next = written ? Next::close_gently : Next::close;
    } else {
      next = co_await self->answer(std::move(message));
    }
  }
  if (next == Next::close_gently) co_await drain(self->server_->loop, self->socket_);
}

Task<bool> HttpSession::await_first_byte() {
  idle_ = true;
  if (input_.size() > 0) co_return true;
  if (server_->shutting_down) co_return false;
  input_.shrink_to_fit();
  timed_out_ = false;
  // A new connection has something to say; only between requests may it rest.
  timer_.expires_after(std::exchange(first_, false) ? server_->options.request_timeout : idle_max);
  const auto [error, size] =
      co_await socket_.async_read_some(input_.prepare(first_read_bytes), as_result);
  timer_.cancel();
  input_.commit(size);
  co_return !error;
}

// A problem to answer with; when the client is gone, the socket is closed instead.
Task<std::optional<HttpResponse>> HttpSession::read_message(Message& message) {
  idle_ = false;
  timed_out_ = false;
  timer_.expires_after(server_->options.request_timeout);
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(server_->options.header_bytes_max));
  parser.body_limit(server_->options.body_bytes_max);
  const ErrorCode error = co_await read_parts(parser);
  timer_.cancel();
  if (error && is_gone(error) && !timed_out_) {
    close();
    co_return std::nullopt;
  }
  if (error) co_return problem_of(error, timed_out_);
  message = parser.release();
  co_return std::nullopt;
}

Task<ErrorCode> HttpSession::read_parts(Parser& parser) {
  const ErrorCode in_header = co_await read_http(socket_, input_, parser, true);
  if (in_header) co_return in_header;
  const bool waits = beast::iequals(parser.get()[http::field::expect], "100-continue");
  if (waits && !parser.is_done()) {
    constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const auto [error, size] = co_await asio::async_write(socket_, asio::buffer(go_on), as_result);
    if (error) co_return error;
  }
  const ErrorCode in_body = co_await read_http(socket_, input_, parser, false);
  co_return in_body;
}

Task<HttpSession::Next> HttpSession::answer(Message message) {
  auto request = is_proper(message) ? to_request(message) : std::nullopt;
  if (!request) {
    auto problem = make_problem(400, "bad_request", "the request is not valid HTTP");
    const bool written = co_await write(std::move(problem), false, true);
    co_return written ? Next::close_gently : Next::close;
  }
  if (server_->handlers->on_upgrade && beast::websocket::is_upgrade(message)) {
    const Next next = co_await upgrade(std::move(*request), std::move(message));
    co_return next;
  }
  const bool keep_alive = message.keep_alive();
  const bool with_body = message.method() != http::verb::head;
  auto response = co_await ask(std::move(*request));
  if (!may_go_on()) co_return Next::close;
  const bool stays = keep_alive && !server_->shutting_down;
  const bool written = co_await write(std::move(response), stays, with_body);
  if (!written) co_return Next::close;
  co_return stays ? Next::request : Next::close_gently;
}

Task<HttpSession::Next> HttpSession::upgrade(HttpRequest request, Message message) {
  const auto handlers = server_->handlers;
  if (auto refusal = handlers->on_upgrade(request)) {
    const bool keep_alive = message.keep_alive() && !server_->shutting_down;
    const bool written = co_await write(std::move(*refusal), keep_alive, true);
    const bool stays = written && keep_alive;
    co_return stays ? Next::request : Next::close;
  }
  // Frames may only follow our answer (RFC 6455, section 4.1).
  if (!may_go_on() || input_.size() > 0) co_return Next::close;
  auto websocket = co_await accept_websocket(server_->loop, std::move(socket_), std::move(message),
                                             server_->options.websocket, std::move(slot_));
  // Without an owner it says goodbye.
  if (!websocket || !may_take(*server_)) co_return Next::close;
  std::erase_if(server_->websockets, [](const auto& other) { return other.expired(); });
  server_->websockets.push_back(websocket);
  if (handlers->on_websocket) handlers->on_websocket(request, std::move(websocket));
  co_return Next::close;
}

Task<HttpResponse> HttpSession::ask(HttpRequest request) {
  response_.reset();
  const auto handlers = server_->handlers;
  if (!handlers->on_request) co_return make_problem(404, "not_found", "nothing is served here");
  handlers->on_request(std::move(request),
                       HttpResponder(std::make_shared<SessionSink>(shared_from_this())));
  while (!response_ && may_go_on()) {
    answered_.expires_at(never);
    co_await answered_.async_wait(as_result);
  }
  co_return response_ ? std::move(*response_) : HttpResponse{};
}

Task<bool> HttpSession::write(HttpResponse response, bool keep_alive, bool with_body) {
  timed_out_ = false;
  timer_.expires_after(idle_max);
  const std::string head = encode_head(response, keep_alive);
  if (!with_body || response.status == 204 || response.status == 304) response.body.clear();
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(head), asio::buffer(response.body)};
  const auto [error, size] = co_await asio::async_write(socket_, parts, as_result);
  timer_.cancel();
  co_return !error;
}

std::optional<HttpRequest> HttpSession::to_request(Message& message) const {
  auto target = HttpTarget::parse({message.target().data(), message.target().size()});
  if (!target) return std::nullopt;
  HttpRequest request{.method = message.method_string(),
                      .path = std::move(target->path),
                      .query = std::move(target->query),
                      .headers = {},
                      .body = std::move(message.body()),
                      .remote = remote_};
  if (message.method() == http::verb::head) request.method = "GET";
  for (const auto& field : message) {
    std::string name(field.name_string());
    std::ranges::transform(name, name.begin(), to_lower);
    request.headers.emplace(std::move(name), field.value());
  }
  return request;
}

}  // namespace chatixia::net
