#include "protocol/errors.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace chatixia::protocol {
namespace {

constexpr std::array table = std::to_array<ErrorCode>({
    {error_code::bad_request, 400, "The request is not well formed.",
     "Compare it with the protocol documentation; the details name the field."},
    {error_code::too_large, 413, "The request is larger than the limit.",
     "Send less at once, or split it into several requests."},
    {error_code::unknown_command, 0, "The sidecar does not know this command.",
     "Check the command's type, or update the sidecar."},
    {error_code::unknown_peer, 0, "Nobody of that name is on the mesh.",
     "Check the peer id; the peer may not be running or not be approved yet."},
    {error_code::not_connected, 0, "The registry is not reachable, so no link can be made.",
     "Check the registry's address and that it is running; the sidecar keeps trying."},
    {error_code::connect_failed, 502, "A link to the peer was tried and did not open.",
     "Both sides may be behind strict firewalls; configure a TURN server."},
    {error_code::send_buffer_full, 0, "The link's send buffer is full.",
     "Wait until earlier messages are delivered, then send again."},
    {error_code::message_too_large, 413, "The message is larger than a peer accepts.",
     "Send at most 256 KiB in one message; stream larger results in chunks."},
    {error_code::sidecar_gone, 0, "The sidecar has ended or closed the connection.",
     "Look at the sidecar's log; the agent has to start it again."},
    {error_code::sidecar_busy, 0, "Another agent uses this sidecar.",
     "Start one sidecar for each agent, each with a socket path of its own."},
    {error_code::backlog_full, 0, "Messages were dropped while no agent was reading.",
     "Read events without long pauses; ask the senders to repeat what is missing."},
    {error_code::deadline_exceeded, 504, "The answer did not come before the deadline.",
     "Allow more time, or check that the other agent is not overloaded."},
    {error_code::unknown_skill, 404, "The agent does not have this skill.",
     "Ask the registry which agents have it."},
    {error_code::skill_failed, 500, "The skill ended with an error.",
     "The details come from the agent that ran it; look at its log."},
    {error_code::unauthorized, 401, "The credentials are missing or not valid.",
     "Send a valid API key, device token or access token."},
    {error_code::forbidden, 403, "The credentials do not allow this.",
     "Use credentials of a role that may do it."},
    {error_code::not_found, 404, "There is nothing of that name.",
     "Check the name; the thing may have been removed."},
    {error_code::conflict, 409, "The request does not fit the present state.",
     "Read the present state, then decide again."},
    {error_code::too_many_requests, 429, "There were too many requests in a short time.",
     "Wait a minute, then try again."},
    {error_code::method_not_allowed, 405, "This address does not support the method.",
     "Compare the method with the API documentation."},
    {error_code::unavailable, 503, "The service cannot answer now.", "Try again in a few seconds."},
    {error_code::internal, 500, "Something went wrong inside the service.",
     "Look at its log; please report it if it happens again."},
});

const ErrorCode* find(std::string_view code) {
  const auto row = std::ranges::find(table, code, &ErrorCode::code);
  return row == table.end() ? nullptr : row;
}

}  // namespace

std::span<const ErrorCode> error_codes() {
  return table;
}

Problem make_problem(std::string_view code, std::string detail) {
  Problem problem{.code = std::string(code), .message = std::move(detail), .hint = {}};
  if (const ErrorCode* const row = find(code)) {
    if (problem.message.empty()) problem.message = row->message;
    problem.hint = row->hint;
  }
  return problem;
}

int http_status(std::string_view code) {
  const ErrorCode* const row = find(code);
  return row ? row->http_status : 0;
}

}  // namespace chatixia::protocol
