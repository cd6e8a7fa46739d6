#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

typedef struct x509_st X509;
typedef struct evp_pkey_st EVP_PKEY;

namespace chatixia::crypto {

// SHA-256 of a DER certificate, in SDP as "AA:BB:...": RFC 8122, section 5.
struct Fingerprint {
  std::array<std::uint8_t, 32> sha256{};

  static std::optional<Fingerprint> parse(std::string_view hex_with_colons);
  std::string to_string() const;
  bool operator==(const Fingerprint&) const = default;
};

// A self-signed ECDSA P-256 certificate with its key, made once and shared by every session.
class Certificate {
 public:
  // Valid from a day before `now` for `lifetime`. The error is OpenSSL's.
  static Result<Certificate> make(WallTime now, Duration lifetime);

  Certificate(Certificate&&) noexcept;
  Certificate& operator=(Certificate&&) noexcept;
  ~Certificate();

  const Fingerprint& fingerprint() const;
  X509* x509() const;     // borrowed
  EVP_PKEY* key() const;  // borrowed

 private:
  struct Parts;
  explicit Certificate(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace chatixia::crypto
