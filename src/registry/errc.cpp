#include "registry/errc.hpp"

#include <string_view>

#include "base/parse_error.hpp"

namespace chatixia::registry {
namespace {

namespace error_code = protocol::error_code;

struct Row {
  std::string_view sentence;
  std::string_view code;
  std::string_view hint;  // replaces the table's when it is not empty
};

Row row(Errc error) {
  switch (error) {
    case Errc::missing_credential:
      return {"this call needs a credential", error_code::unauthorized,
              "send an API key as X-API-Key or a token as Authorization: Bearer"};
    case Errc::unknown_key:
      return {"this API key is not known here", error_code::unauthorized,
              "compare it with the registry's keys file, or make one with: "
              "chatixia-registry key add"};
    case Errc::malformed_token:
      return {"the token is malformed", error_code::unauthorized, "ask POST /api/token for one"};
    case Errc::forged_token:
      return {"the token was not signed by this registry", error_code::unauthorized,
              "ask POST /api/token of this registry for one"};
    case Errc::expired_token:
      return {"the token has expired", error_code::unauthorized,
              "ask POST /api/token for a fresh one and compare the clocks"};
    case Errc::forbidden:
      return {"this credential may not do that", error_code::forbidden, ""};
    case Errc::cross_origin:
      return {"a page of another origin may not call this registry", error_code::forbidden,
              "open the page from the registry itself"};
    case Errc::not_found:
      return {"not found", error_code::not_found, ""};
    case Errc::conflict:
      return {"this contradicts what is already recorded", error_code::conflict, ""};
    case Errc::invalid:
      return {"the request is not valid", error_code::bad_request, ""};
    case Errc::full:
      return {"the registry holds as much as it may", error_code::unavailable,
              "try again later or raise its limits"};
    case Errc::bad_configuration:
      return {"the configuration is not usable", error_code::internal, ""};
  }
  return {"unknown error", error_code::internal, ""};
}

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "registry"; }
  std::string message(int value) const override {
    return std::string(row(static_cast<Errc>(value)).sentence);
  }
};

}  // namespace

const std::error_category& category() {
  static const Category instance;
  return instance;
}

protocol::Problem to_problem(const Error& error) {
  if (error.code.category() == category()) {
    const Row found = row(static_cast<Errc>(error.code.value()));
    protocol::Problem problem = protocol::make_problem(found.code, error.message());
    if (!found.hint.empty()) problem.hint = found.hint;
    return problem;
  }
  if (error.code == ParseError::too_large)
    return protocol::make_problem(error_code::too_large, error.message());
  if (error.code.category() == parse_category())
    return protocol::make_problem(error_code::bad_request, error.message());
  // What the operating system said stays in the log.
  return protocol::make_problem(error_code::internal);
}

}  // namespace chatixia::registry
