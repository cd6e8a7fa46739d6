#include "crypto/certificate.hpp"

#include <utility>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "crypto/encoding.hpp"

namespace chatixia::crypto {

namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;
using CertificatePtr = std::unique_ptr<X509, FreeCertificate>;

std::unexpected<Error> openssl_failure(const char* what) {
  char reason[256];
  ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
  ERR_clear_error();
  return fail(std::make_error_code(std::errc::state_not_recoverable),
              std::string(what) + ": " + reason);
}

// RFC 5280, section 4.1.2.2: positive and unpredictable.
bool set_random_serial(X509* certificate) {
  std::array<std::uint8_t, 8> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) return false;
  std::uint64_t serial = 0;
  for (const std::uint8_t byte : random) serial = serial << 8 | byte;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), (serial >> 1) | 1) == 1;
}

bool set_validity(X509* certificate, WallTime now, Duration lifetime) {
  const std::time_t from =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count() -
      std::chrono::seconds(std::chrono::days(1)).count();
  const std::time_t until =
      std::chrono::duration_cast<std::chrono::seconds>((now + lifetime).time_since_epoch()).count();
  return ASN1_TIME_set(X509_getm_notBefore(certificate), from) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), until) != nullptr;
}

// Subject and issuer are the same fixed name: it must not tell one node from another.
bool set_names(X509* certificate) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>("chatixia");
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1;
}

}  // namespace

std::optional<Fingerprint> Fingerprint::parse(std::string_view hex_with_colons) {
  Fingerprint fingerprint;
  if (hex_with_colons.size() != fingerprint.sha256.size() * 3 - 1) return std::nullopt;
  for (std::size_t i = 0; i < fingerprint.sha256.size(); ++i) {
    const auto byte = from_hex(hex_with_colons.substr(3 * i, 2));
    const bool last = i + 1 == fingerprint.sha256.size();
    if (!byte || (!last && hex_with_colons[3 * i + 2] != ':')) return std::nullopt;
    fingerprint.sha256[i] = byte->front();
  }
  return fingerprint;
}

std::string Fingerprint::to_string() const {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string text;
  text.reserve(sha256.size() * 3);
  for (const std::uint8_t byte : sha256) {
    if (!text.empty()) text += ':';
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

struct Certificate::Parts {
  KeyPtr key;
  CertificatePtr x509;
  Fingerprint fingerprint;
};

Result<Certificate> Certificate::make(WallTime now, Duration lifetime) {
  auto parts = std::make_unique<Parts>();
  parts->key.reset(EVP_EC_gen("P-256"));
  if (!parts->key) return openssl_failure("cannot make a P-256 key");
  parts->x509.reset(X509_new());
  X509* x509 = parts->x509.get();
  if (x509 == nullptr || X509_set_version(x509, X509_VERSION_3) != 1 || !set_random_serial(x509) ||
      !set_validity(x509, now, lifetime) || !set_names(x509) ||
      X509_set_pubkey(x509, parts->key.get()) != 1 ||
      X509_sign(x509, parts->key.get(), EVP_sha256()) == 0)
    return openssl_failure("cannot make a certificate");

  unsigned int size = 0;
  if (X509_digest(x509, EVP_sha256(), parts->fingerprint.sha256.data(), &size) != 1 ||
      size != parts->fingerprint.sha256.size())
    return openssl_failure("cannot take a certificate's fingerprint");
  return Certificate(std::move(parts));
}

Certificate::Certificate(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Certificate::Certificate(Certificate&&) noexcept = default;
Certificate& Certificate::operator=(Certificate&&) noexcept = default;
Certificate::~Certificate() = default;

const Fingerprint& Certificate::fingerprint() const {
  return parts_->fingerprint;
}
X509* Certificate::x509() const {
  return parts_->x509.get();
}
EVP_PKEY* Certificate::key() const {
  return parts_->key.get();
}

}  // namespace chatixia::crypto
