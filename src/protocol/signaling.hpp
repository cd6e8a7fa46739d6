#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

// The WebSocket between sidecar and registry: one JSON envelope a text frame.
namespace chatixia::protocol::signaling {

namespace type {
inline constexpr std::string_view register_ = "register";
inline constexpr std::string_view peer_list = "peer_list";
inline constexpr std::string_view offer = "offer";
inline constexpr std::string_view answer = "answer";
inline constexpr std::string_view ice_candidate = "ice_candidate";
inline constexpr std::string_view heartbeat = "heartbeat";
// Ours, beyond 0.4: the links a sidecar has, for the topology; and a refusal that names its cause.
inline constexpr std::string_view links = "links";
inline constexpr std::string_view error = "error";
}  // namespace type

// The payload stays the JSON text it came in; "{}" when it was absent or null.
struct Envelope {
  std::string type;
  std::string peer_id;
  std::optional<std::string> target_id;
  std::string payload = "{}";

  static Result<Envelope> parse(std::string_view text);
  std::string encode() const;
  bool operator==(const Envelope&) const = default;
};

struct PeerList {
  std::vector<std::string> peers;
  static Result<PeerList> parse(std::string_view payload);
  std::string encode() const;
  bool operator==(const PeerList&) const = default;
};

// The payload of `offer` and `answer`.
struct Description {
  std::string sdp;
  static Result<Description> parse(std::string_view payload);
  std::string encode() const;
  bool operator==(const Description&) const = default;
};

// An empty candidate ends the candidates.
struct IceCandidate {
  std::string candidate;
  std::optional<std::string> sdp_mid;
  std::optional<std::uint16_t> sdp_mline_index;
  static Result<IceCandidate> parse(std::string_view payload);
  std::string encode() const;  // absent values are null, as browsers print them
  bool operator==(const IceCandidate&) const = default;
};

// The links of the sender that are open now; `path` is "direct" or "relay".
struct Links {
  struct Link {
    std::string peer_id;
    std::string path;
    bool operator==(const Link&) const = default;
  };
  std::vector<Link> links;
  static Result<Links> parse(std::string_view payload);
  std::string encode() const;
  bool operator==(const Links&) const = default;
};

// A refusal: to whom the refused envelope was going, and the problem.
struct Refusal {
  std::string code;
  std::string message;
  std::string hint;
  std::optional<std::string> target_id;
  static Result<Refusal> parse(std::string_view payload);
  std::string encode() const;
  bool operator==(const Refusal&) const = default;
};

}  // namespace chatixia::protocol::signaling
