#pragma once

#include <list>
#include <optional>
#include <string>
#include <vector>

#include "net/http.hpp"
#include "net/stream.hpp"
#include "net/task.hpp"

namespace chatixia::net {

// Opens a connection to the host of a URL: look-up, TCP, TLS. Where it has several addresses, the
// first that answers wins (RFC 8305).
class Dialer : public std::enable_shared_from_this<Dialer> {
 public:
  Dialer(Loop& loop, Url url);

  // Once. The error names the phase.
  static Task<Result<void>> open(std::shared_ptr<Dialer> self);
  // The part of open() that finds the address to use.
  static Task<Result<TcpSocket>> connect(std::shared_ptr<Dialer> self,
                                         std::vector<IpAddress> addresses);
  // Ends whatever waits, now and later; the connection too until it was taken.
  void abort();

  Stream& stream() { return *stream_; }
  Stream take_stream() { return std::move(*stream_); }
  // What it does at the moment, for the message of a time-out.
  const std::string& phase() const { return phase_; }

 private:
  static Task<void> attempt(std::shared_ptr<Dialer> self, Endpoint to);
  static Task<Result<void>> secure(std::shared_ptr<Dialer> self, TcpSocket socket);

  Loop& loop_;
  Url url_;
  std::string phase_;
  std::list<TcpSocket> connecting_;
  std::optional<TcpSocket> connected_;
  Error last_error_;
  std::size_t attempts_running_ = 0;
  SteadyTimer news_;  // cancelled when an attempt has ended
  std::optional<Stream> stream_;
  bool aborted_ = false;
};

}  // namespace chatixia::net
