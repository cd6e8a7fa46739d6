#include <algorithm>
#include <array>

#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "net/dialer.hpp"
#include "net/errc.hpp"
#include "net/http_read.hpp"
#include "net/http_text.hpp"

namespace chatixia::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using Parser = http::response_parser<http::string_body>;
using Done = std::function<void(Result<HttpResponse>)>;

constexpr std::uint32_t header_bytes_max = 64 * 1024;

// One call; the task that runs it keeps it alive, and its deadline cuts it short.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(Loop& loop, HttpCall call, Done done)
      : call_(std::move(call)),
        done_(std::move(done)),
        dialer_(std::make_shared<Dialer>(loop, call_.url)),
        deadline_(loop, [this] { on_deadline(); }) {
    deadline_.expires_after(call_.timeout);
  }

  static Task<void> run(std::shared_ptr<Exchange> self) {
    auto response = co_await self->ask();
    self->finish(std::move(response));
  }

 private:
  Task<Result<HttpResponse>> ask();
  Task<Result<void>> write_request();
  Task<Result<HttpResponse>> read_response();
  Error failed(const ErrorCode& error) const;

  void finish(Result<HttpResponse> result) {
    deadline_.cancel();
    dialer_->abort();
    if (const auto done = std::exchange(done_, nullptr)) done(std::move(result));
  }

  void on_deadline() {
    const auto self = shared_from_this();
    finish(fail(std::make_error_code(std::errc::timed_out), phase_of_call()));
  }

  std::string phase_of_call() const { return phase_.empty() ? dialer_->phase() : phase_; }

  HttpCall call_;
  Done done_;
  std::shared_ptr<Dialer> dialer_;
  Timer deadline_;
  std::string phase_;
};

Task<Result<HttpResponse>> Exchange::ask() {
  const auto open = co_await Dialer::open(dialer_);
  if (!open) co_return std::unexpected(open.error());
  phase_ = call_.method + " " + call_.url.scheme + "://" + call_.url.host;
  const auto written = co_await write_request();
  if (!written) co_return std::unexpected(written.error());
  auto response = co_await read_response();
  co_return response;
}

Task<Result<void>> Exchange::write_request() {
  const auto head = encode_head(call_);
  if (!head) co_return fail(Errc::bad_request, phase_);
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(*head), asio::buffer(call_.body)};
  const auto [error, size] = co_await asio::async_write(dialer_->stream(), parts, as_result);
  // A server may refuse before it has read everything; what it says is worth more than the error.
  if (error && error != asio::error::broken_pipe && error != asio::error::connection_reset)
    co_return std::unexpected(failed(error));
  co_return Result<void>{};
}

Task<Result<HttpResponse>> Exchange::read_response() {
  Parser parser;
  parser.header_limit(header_bytes_max);
  parser.body_limit(call_.body_bytes_max);
  if (call_.method == "HEAD") parser.skip(true);
  beast::flat_buffer buffer;
  const ErrorCode error = co_await read_http(dialer_->stream(), buffer, parser, false);
  if (error) co_return std::unexpected(failed(error));

  auto message = parser.release();
  HttpResponse response{.status = static_cast<int>(message.result_int()), .content_type = {}};
  for (const auto& field : message) {
    std::string name(field.name_string());
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    if (name == "content-type") response.content_type = field.value();
    response.headers.emplace(std::move(name), field.value());
  }
  response.body = std::move(message.body());
  co_return response;
}

Error Exchange::failed(const ErrorCode& error) const {
  if (error == http::error::body_limit) return {Errc::response_too_large, phase_};
  const bool is_http = error.category() == make_error_code(http::error::bad_value).category();
  if (is_http) return {Errc::bad_response, phase_ + ": " + error.message()};
  return to_error(error, phase_);
}

}  // namespace

void http_request(Loop& loop, HttpCall call, Done done) {
  spawn(loop, Exchange::run(std::make_shared<Exchange>(loop, std::move(call), std::move(done))));
}

}  // namespace chatixia::net
