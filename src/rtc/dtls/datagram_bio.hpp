#pragma once

#include <deque>
#include <memory>
#include <optional>

#include <openssl/bio.h>

#include "base/bytes.hpp"

namespace chatixia::rtc::dtls {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, FreeBio>;

// What OpenSSL sees as the network: it reads the one datagram that is being handled and writes
// whole datagrams into a queue. Must outlive, and not move under, the BIO made from it.
class DatagramBio {
 public:
  explicit DatagramBio(std::size_t datagram_bytes_max) : datagram_bytes_max_(datagram_bytes_max) {}
  DatagramBio(const DatagramBio&) = delete;
  DatagramBio& operator=(const DatagramBio&) = delete;

  BioPtr make_bio();

  // The bytes must stay valid until the datagram has been read or dropped.
  void offer(Bytes datagram) { inbound_ = datagram; }
  void drop_unread() { inbound_ = {}; }
  bool has_unread() const { return !inbound_.empty(); }

  std::optional<Buffer> poll_transmit();

 private:
  static const BIO_METHOD* method();
  static int read(BIO* bio, char* out, int size);
  static int write(BIO* bio, const char* bytes, int size);
  static long control(BIO* bio, int command, long number, void* pointer);

  std::size_t datagram_bytes_max_;
  Bytes inbound_;
  std::deque<Buffer> outbound_;
};

}  // namespace chatixia::rtc::dtls
