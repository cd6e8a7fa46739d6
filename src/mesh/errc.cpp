#include "mesh/errc.hpp"

namespace chatixia::mesh {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "mesh"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::unknown_peer:
        return "no peer of that name is on the mesh";
      case Errc::not_connected:
        return "the registry cannot be reached, so no link can be made";
      case Errc::connect_failed:
        return "the link to the peer could not be opened";
      case Errc::send_buffer_full:
        return "the send buffer of the link is full";
      case Errc::message_too_large:
        return "the message is larger than the peer accepts";
      case Errc::too_many_peers:
        return "this node holds as many links as it may";
      case Errc::closing:
        return "this node is shutting down";
    }
    return "unknown mesh error";
  }
};

}  // namespace

const std::error_category& category() {
  static const Category instance;
  return instance;
}

}  // namespace chatixia::mesh
