#pragma once

#include <compare>
#include <functional>
#include <string>
#include <utility>

namespace chatixia {

// A value with a meaning of its own: two Strong types never convert into each other.
template <class Tag, class T>
class Strong {
 public:
  Strong() = default;
  explicit Strong(T value) : value_(std::move(value)) {}

  const T& value() const { return value_; }
  auto operator<=>(const Strong&) const = default;

 private:
  T value_{};
};

// The sidecar of an agent on the mesh; what tokens name in `sub`.
using PeerId = Strong<struct PeerIdTag, std::string>;

// The program behind a peer, as the registry's directory names it.
using AgentId = Strong<struct AgentIdTag, std::string>;

}  // namespace chatixia

template <class Tag, class T>
struct std::hash<chatixia::Strong<Tag, T>> {
  std::size_t operator()(const chatixia::Strong<Tag, T>& strong) const {
    return std::hash<T>{}(strong.value());
  }
};
