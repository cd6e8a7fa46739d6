#pragma once

#include <span>
#include <string>
#include <string_view>

namespace chatixia::protocol {

// What a refusal that crosses a process says: a stable code, a sentence, and what to do about it.
struct Problem {
  std::string code;
  std::string message;
  std::string hint;  // may be empty
};

// One row of the table of all codes; tests/vectors/errors.json mirrors it for other languages.
struct ErrorCode {
  std::string_view code;     // "unknown_peer"
  int http_status;           // where the registry answers with it; 0 where it never does
  std::string_view message;  // a sentence a user can read
  std::string_view hint;
};

namespace error_code {
inline constexpr std::string_view bad_request = "bad_request";
inline constexpr std::string_view too_large = "too_large";
inline constexpr std::string_view unknown_command = "unknown_command";
inline constexpr std::string_view unknown_peer = "unknown_peer";
inline constexpr std::string_view not_connected = "not_connected";
inline constexpr std::string_view connect_failed = "connect_failed";
inline constexpr std::string_view send_buffer_full = "send_buffer_full";
inline constexpr std::string_view message_too_large = "message_too_large";
inline constexpr std::string_view sidecar_gone = "sidecar_gone";
inline constexpr std::string_view sidecar_busy = "sidecar_busy";  // another agent holds the socket
inline constexpr std::string_view backlog_full = "backlog_full";
inline constexpr std::string_view deadline_exceeded = "deadline_exceeded";
inline constexpr std::string_view unknown_skill = "unknown_skill";
inline constexpr std::string_view skill_failed = "skill_failed";
inline constexpr std::string_view unauthorized = "unauthorized";
inline constexpr std::string_view forbidden = "forbidden";
inline constexpr std::string_view not_found = "not_found";
inline constexpr std::string_view conflict = "conflict";
inline constexpr std::string_view too_many_requests = "too_many_requests";
inline constexpr std::string_view method_not_allowed = "method_not_allowed";
inline constexpr std::string_view unavailable = "unavailable";
inline constexpr std::string_view internal = "internal";
}  // namespace error_code

std::span<const ErrorCode> error_codes();
// The problem of a code with its table text; `detail` replaces the message when given.
Problem make_problem(std::string_view code, std::string detail = {});
int http_status(std::string_view code);

}  // namespace chatixia::protocol
