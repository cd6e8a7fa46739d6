#include "agent/errc.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace chatixia::agent {
namespace {

namespace error_code = protocol::error_code;

struct Name {
  Errc error;
  std::string_view code;
};

constexpr std::array names = std::to_array<Name>({
    {Errc::bad_request, error_code::bad_request},
    {Errc::unknown_peer, error_code::unknown_peer},
    {Errc::not_connected, error_code::not_connected},
    {Errc::connect_failed, error_code::connect_failed},
    {Errc::send_buffer_full, error_code::send_buffer_full},
    {Errc::message_too_large, error_code::message_too_large},
    {Errc::sidecar_gone, error_code::sidecar_gone},
    {Errc::sidecar_busy, error_code::sidecar_busy},
    {Errc::deadline_exceeded, error_code::deadline_exceeded},
    {Errc::unknown_skill, error_code::unknown_skill},
    {Errc::skill_failed, error_code::skill_failed},
    {Errc::unauthorized, error_code::unauthorized},
    {Errc::forbidden, error_code::forbidden},
    {Errc::not_found, error_code::not_found},
    {Errc::conflict, error_code::conflict},
    {Errc::too_many_requests, error_code::too_many_requests},
    {Errc::unavailable, error_code::unavailable},
    {Errc::internal, error_code::internal},
});

// What the mesh says of the caller's own link and sidecar.
constexpr std::array own_trouble = {Errc::unknown_peer,   Errc::not_connected,
                                    Errc::connect_failed, Errc::send_buffer_full,
                                    Errc::sidecar_gone,   Errc::sidecar_busy};

std::string_view code_of(Errc error) {
  // Others cannot tell these from a service that is away, and should not have to.
  if (error == Errc::stopped || error == Errc::peer_lost) return error_code::unavailable;
  const auto name = std::ranges::find(names, error, &Name::error);
  return name == names.end() ? error_code::internal : name->code;
}

class AgentCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "agent"; }
  std::string message(int value) const override {
    const auto error = static_cast<Errc>(value);
    if (error == Errc::stopped) return "The agent is stopping.";
    if (error == Errc::sidecar_not_found) return "There is no sidecar program to start.";
    if (error == Errc::sidecar_failed) return "The sidecar did not start.";
    if (error == Errc::peer_lost)
      return "The link closed before the answer came; the peer may have done its part.";
    return protocol::make_problem(code_of(error)).message;
  }
};

}  // namespace

const std::error_category& category() {
  static const AgentCategory instance;
  return instance;
}

Error to_error(const protocol::Problem& problem) {
  const auto name = std::ranges::find(names, problem.code, &Name::code);
  if (name == names.end()) return {Errc::internal, problem.code + ": " + problem.message};
  // The table's own sentence would only say twice what the code says.
  const std::error_code code = name->error;
  return {code, problem.message == code.message() ? std::string() : problem.message};
}

std::string_view protocol_code(const Error& error) {
  if (error.code.category() != category()) return error_code::internal;
  return code_of(static_cast<Errc>(error.code.value()));
}

std::string to_sentence(const Error& error) {
  return error.context.empty() ? error.code.message() : error.context;
}

Error from_answer(std::string_view code, std::string_view sentence) {
  const auto name = std::ranges::find(names, code, &Name::code);
  if (name != names.end() && std::ranges::find(own_trouble, name->error) == own_trouble.end())
    return to_error({.code = std::string(code), .message = std::string(sentence), .hint = {}});
  if (code.empty()) return {Errc::skill_failed, std::string(sentence)};
  return {Errc::skill_failed, fmt::format("{}: {}", code, sentence)};
}

std::string to_text(const Error& error) {
  return fmt::format("{}: {}", protocol_code(error), to_sentence(error));
}

Error from_text(std::string_view text) {
  const auto colon = text.find(": ");
  if (colon == text.npos) return from_answer("", text);
  return from_answer(text.substr(0, colon), text.substr(colon + 2));
}

}  // namespace chatixia::agent
