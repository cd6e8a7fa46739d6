#pragma once

#include <string_view>

#include <system_error>

#include "base/result.hpp"
#include "protocol/errors.hpp"

namespace chatixia::agent {

// Why a command, a request or a task came to nothing: the codes of protocol::error_code that an
// agent meets, and what only the agent itself can tell.
enum class Errc {
  bad_request = 1,
  unknown_peer,
  not_connected,
  connect_failed,
  send_buffer_full,
  message_too_large,
  sidecar_gone,
  sidecar_busy,
  deadline_exceeded,
  unknown_skill,
  skill_failed,
  unauthorized,
  forbidden,
  not_found,
  conflict,
  too_many_requests,
  unavailable,
  internal,
  stopped,            // the agent is stopping
  sidecar_not_found,  // no program to start
  sidecar_failed,     // it was started and came to nothing
  peer_lost,          // the link closed before the answer came
};

const std::error_category& category();
inline std::error_code make_error_code(Errc error) {
  return {static_cast<int>(error), category()};
}

// The error that a problem from another process stands for; an unknown code is `internal`.
Error to_error(const protocol::Problem& problem);
// The code that names an error to others; "internal" for errors of other modules.
std::string_view protocol_code(const Error& error);

// What an error says beside its code.
std::string to_sentence(const Error& error);
// The error that another agent's answer names. What it says of links and sidecars it says of its
// own, and an unknown code may mean anything: both are skill_failed.
Error from_answer(std::string_view code, std::string_view sentence);

// An error as the one text that a queued task carries, "code: sentence", and back.
std::string to_text(const Error& error);
Error from_text(std::string_view text);

}  // namespace chatixia::agent

template <>
struct std::is_error_code_enum<chatixia::agent::Errc> : std::true_type {};
