#include "net/errc.hpp"

#include <string>

namespace chatixia::net {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "net"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::name_unknown:
        return "the host name cannot be resolved";
      case Errc::tls_failed:
        return "no secure connection";
      case Errc::upgrade_refused:
        return "the server refused the WebSocket";
      case Errc::bad_request:
        return "the request cannot be written as HTTP";
      case Errc::bad_response:
        return "the server's answer is not valid";
      case Errc::response_too_large:
        return "the server's answer is too large";
      case Errc::busy:
        return "too many look-ups are waiting";
    }
    return "unknown error";
  }
};

}  // namespace

const std::error_category& category() {
  static const Category instance;
  return instance;
}

}  // namespace chatixia::net
