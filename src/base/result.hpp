#pragma once

#include <expected>
#include <string>

#include <system_error>

namespace chatixia {

// What went wrong (compare this) and where (show this).
struct Error {
  std::error_code code;
  std::string context;

  // "the sentence of the code: the context", for people.
  std::string message() const {
    return context.empty() ? code.message() : code.message() + ": " + context;
  }
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::error_code code, std::string context = {}) {
  return std::unexpected(Error{code, std::move(context)});
}

}  // namespace chatixia
