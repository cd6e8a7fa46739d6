#include "rtc/dtls/datagram_bio.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace chatixia::rtc::dtls {

namespace {

// A caller that drains never meets this bound; one that does not loses datagrams, as with UDP.
constexpr std::size_t outbound_max = 1024;

struct FreeMethod {
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};
using MethodPtr = std::unique_ptr<BIO_METHOD, FreeMethod>;

}  // namespace

const BIO_METHOD* DatagramBio::method() {
  static const MethodPtr shared = [] {
    MethodPtr made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams"));
    if (!made) throw std::bad_alloc();
    BIO_meth_set_read(made.get(), &DatagramBio::read);
    BIO_meth_set_write(made.get(), &DatagramBio::write);
    BIO_meth_set_ctrl(made.get(), &DatagramBio::control);
    return made;
  }();
  return shared.get();
}

BioPtr DatagramBio::make_bio() {
  BioPtr bio(BIO_new(method()));
  if (!bio) throw std::bad_alloc();
  BIO_set_data(bio.get(), this);
  BIO_set_init(bio.get(), 1);
  return bio;
}

std::optional<Buffer> DatagramBio::poll_transmit() {
  if (outbound_.empty()) return std::nullopt;
  Buffer datagram = std::move(outbound_.front());
  outbound_.pop_front();
  return datagram;
}

int DatagramBio::read(BIO* bio, char* out, int size) {
  auto& self = *static_cast<DatagramBio*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self.inbound_.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t taken = std::min(self.inbound_.size(), static_cast<std::size_t>(size));
  std::memcpy(out, self.inbound_.data(), taken);
  self.inbound_ = {};
  return static_cast<int>(taken);
}

int DatagramBio::write(BIO* bio, const char* bytes, int size) {
  auto& self = *static_cast<DatagramBio*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self.outbound_.size() < outbound_max) self.outbound_.emplace_back(bytes, bytes + size);
  return size;
}

long DatagramBio::control(BIO* bio, int command, long, void*) {
  const auto& self = *static_cast<DatagramBio*>(BIO_get_data(bio));
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return static_cast<long>(self.datagram_bytes_max_);
    default:
      // Includes the overhead below a datagram and the bytes pending: none of either.
      return 0;
  }
}

}  // namespace chatixia::rtc::dtls
