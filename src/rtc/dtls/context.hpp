#pragma once

#include <memory>

#include <openssl/ssl.h>

#include "crypto/certificate.hpp"

namespace chatixia::rtc::dtls {

// Decides in place of OpenSSL's chain building whether the peer's leaf certificate will do.
using VerifyLeaf = bool (*)(SSL* ssl, X509* leaf);

// The OpenSSL settings that every session with this certificate shares. Making them costs more
// than a session does, so the one used last on this thread is kept.
std::shared_ptr<SSL_CTX> shared_context(const crypto::Certificate& certificate, VerifyLeaf verify);

}  // namespace chatixia::rtc::dtls
