#pragma once

#include <system_error>

namespace chatixia::mesh {

// Why a command to the mesh came to nothing.
enum class Errc {
  unknown_peer = 1,
  not_connected,
  connect_failed,
  send_buffer_full,
  message_too_large,
  too_many_peers,
  closing,
};

const std::error_category& category();
inline std::error_code make_error_code(Errc error) {
  return {static_cast<int>(error), category()};
}

}  // namespace chatixia::mesh

template <>
struct std::is_error_code_enum<chatixia::mesh::Errc> : std::true_type {};
