#pragma once

#include "base/bytes.hpp"
#include "base/endpoint.hpp"

namespace chatixia {

// One received UDP datagram: `local` is the address it arrived at, which for a relayed candidate
// is the relay's. The bytes belong to the caller.
struct Datagram {
  Endpoint local;
  Endpoint remote;
  Bytes bytes;
};

// One datagram to send, from `local` to `remote`.
struct Transmit {
  Endpoint local;
  Endpoint remote;
  Buffer bytes;
};

}  // namespace chatixia
