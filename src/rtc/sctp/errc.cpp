#include "rtc/sctp/association.hpp"

namespace chatixia::rtc::sctp {

namespace {

class Category final : public std::error_category {
  const char* name() const noexcept override { return "sctp"; }

  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::not_connected:
        return "the connection to the peer is not open";
      case Errc::message_too_large:
        return "the message is larger than the peers agreed on";
      case Errc::send_buffer_full:
        return "the send buffer is full";
      case Errc::no_such_stream:
        return "there is no such channel";
      case Errc::aborted_by_peer:
        return "the peer ended the connection";
      case Errc::peer_unreachable:
        return "the peer stopped acknowledging";
      case Errc::internal:
        return "the SCTP implementation failed";
    }
    return "unknown SCTP error";
  }
};

}  // namespace

const std::error_category& category() {
  static const Category instance;
  return instance;
}

}  // namespace chatixia::rtc::sctp
