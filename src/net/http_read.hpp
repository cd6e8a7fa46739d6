#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>

#include "net/task.hpp"

namespace chatixia::net {

inline constexpr std::size_t http_read_bytes = 8 * 1024;

// Feeds `parser` until its header, or all of it, is there. What follows stays in `buffer`. All
// arguments outlive the task.
template <class Stream, class Parser>
Task<ErrorCode> read_http(Stream& stream, boost::beast::flat_buffer& buffer, Parser& parser,
                          bool header_only) {
  namespace http = boost::beast::http;
  parser.eager(!header_only);
  while (!(header_only ? parser.is_header_done() : parser.is_done())) {
    ErrorCode error;
    if (buffer.size() > 0) {
      buffer.consume(parser.put(buffer.data(), error));
      if (error && error != http::error::need_more) co_return error;
      if (!error) continue;
    }
    const auto [read_error, size] =
        co_await stream.async_read_some(buffer.prepare(http_read_bytes), as_result);
    buffer.commit(size);
    if (read_error == asio::error::eof) {
      if (!parser.got_some()) co_return http::error::end_of_stream;
      parser.put_eof(error);
      if (error) co_return error;
    } else if (read_error) {
      co_return read_error;
    }
  }
  co_return ErrorCode{};
}

}  // namespace chatixia::net
