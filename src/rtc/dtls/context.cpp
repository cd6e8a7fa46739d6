#include "rtc/dtls/context.hpp"

#include <openssl/x509_vfy.h>

#include "base/assert.hpp"

namespace chatixia::rtc::dtls {

namespace {

// With a certificate rejected, OpenSSL sends the bad_certificate alert.
int verify_chain(X509_STORE_CTX* store, void* argument) {
  const auto verify = reinterpret_cast<VerifyLeaf>(argument);
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  X509* leaf = X509_STORE_CTX_get0_cert(store);
  if (leaf != nullptr && verify(ssl, leaf)) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return 0;
}

std::shared_ptr<SSL_CTX> make_context(const crypto::Certificate& certificate, VerifyLeaf verify) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(DTLS_method()), SSL_CTX_free);
  SSL_CTX* ctx = context.get();
  expects(ctx != nullptr);
  expects(SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) == 1);
  expects(SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION) == 1);
  // AES-128-GCM first: with AES in hardware it is the fastest by far.
  expects(SSL_CTX_set_cipher_list(ctx,
                                  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
                                  "ECDHE-ECDSA-AES256-GCM-SHA384") == 1);
  expects(SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1);
  SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(ctx, verify_chain, reinterpret_cast<void*>(verify));
  expects(SSL_CTX_use_certificate(ctx, certificate.x509()) == 1);
  expects(SSL_CTX_use_PrivateKey(ctx, certificate.key()) == 1);
  return context;
}

}  // namespace

std::shared_ptr<SSL_CTX> shared_context(const crypto::Certificate& certificate, VerifyLeaf verify) {
  // A context holds a reference to its certificate, so equal addresses mean the same one.
  thread_local std::shared_ptr<SSL_CTX> latest;
  if (!latest || SSL_CTX_get0_certificate(latest.get()) != certificate.x509())
    latest = make_context(certificate, verify);
  return latest;
}

}  // namespace chatixia::rtc::dtls
