#include "crypto/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/assert.hpp"

namespace chatixia::crypto {
namespace {

template <class Digest>
Digest digest(const EVP_MD* algorithm, Bytes bytes) {
  Digest out;
  unsigned int size = 0;
  // The algorithms are compiled into OpenSSL; only a lack of memory makes this fail.
  expects(EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, algorithm, nullptr) == 1);
  expects(size == out.size());
  return out;
}

template <class Digest>
Digest hmac(const EVP_MD* algorithm, Bytes key, Bytes bytes) {
  Digest out;
  unsigned int size = 0;
  // OpenSSL takes a null key for "the key of last time", so an empty key needs an address.
  const std::uint8_t empty = 0;
  expects(HMAC(algorithm, key.empty() ? &empty : key.data(), static_cast<int>(key.size()),
               bytes.data(), bytes.size(), out.data(), &size) != nullptr);
  expects(size == out.size());
  return out;
}

}  // namespace

Md5 md5(Bytes bytes) {
  return digest<Md5>(EVP_md5(), bytes);
}

Sha256 sha256(Bytes bytes) {
  return digest<Sha256>(EVP_sha256(), bytes);
}

Sha1 hmac_sha1(Bytes key, Bytes bytes) {
  return hmac<Sha1>(EVP_sha1(), key, bytes);
}

Sha256 hmac_sha256(Bytes key, Bytes bytes) {
  return hmac<Sha256>(EVP_sha256(), key, bytes);
}

bool equal_in_constant_time(Bytes a, Bytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace chatixia::crypto
