#pragma once

#include <optional>
#include <string>

#include "net/http.hpp"
#include "net/stream.hpp"
#include "net/task.hpp"

namespace chatixia::net {

// Opens a connection to the host of a URL: look-up, TCP to one address after the other, TLS.
class Dialer : public std::enable_shared_from_this<Dialer> {
 public:
  Dialer(Loop& loop, Url url);

  // Once. The error names the phase.
  static Task<Result<void>> open(std::shared_ptr<Dialer> self);
  // Ends whatever waits, now and later; the connection too until it was taken.
  void abort();

  Stream& stream() { return *stream_; }
  Stream take_stream() { return std::move(*stream_); }
  // What it does at the moment, for the message of a time-out.
  const std::string& phase() const { return phase_; }

 private:
  static Task<Result<TcpSocket>> connect(std::shared_ptr<Dialer> self, Endpoint to, bool is_last);
  static Task<Result<void>> secure(std::shared_ptr<Dialer> self, TcpSocket socket);

  Loop& loop_;
  Url url_;
  std::string phase_;
  std::optional<TcpSocket> connecting_;
  std::optional<Stream> stream_;
  Timer attempt_;
  bool aborted_ = false;
};

}  // namespace chatixia::net
