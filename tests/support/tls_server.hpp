#pragma once

#include <cstdio>
#include <string>
#include <thread>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "support/raw_tcp.hpp"

namespace chatixia::test {

// A key and a certificate that vouches for itself, for the given subjectAltName.
struct TestCertificate {
  explicit TestCertificate(const std::string& alt_name) {
    key = EVP_EC_gen("P-256");
    certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    const unsigned char text[] = "chatixia test";
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alt_name.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(certificate, key, EVP_sha256());
  }
  ~TestCertificate() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;

  void save(const std::string& path) const {
    std::FILE* file = std::fopen(path.c_str(), "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
  }

  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
};

// Serves one TLS connection on a thread of its own: reads once, writes `answer`, closes.
class TlsServer {
 public:
  TlsServer(const TestCertificate& identity, std::string answer, int version_max = TLS1_3_VERSION)
      : listener_(RawTcp::listen()), context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_use_certificate(context_, identity.certificate);
    SSL_CTX_use_PrivateKey(context_, identity.key);
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_, version_max);
    thread_ = std::thread([this, text = std::move(answer)] { serve(text); });
  }
  ~TlsServer() {
    ::shutdown(listener_.fd(), SHUT_RDWR);
    thread_.join();
    SSL_CTX_free(context_);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  std::uint16_t port() const { return listener_.port(); }
  // What the client said; only after it was answered.
  const std::string& request() const { return request_; }
  const std::string& server_name() const { return server_name_; }

 private:
  void serve(const std::string& answer) {
    await_connection();
    RawTcp client = listener_.accept();
    if (!client) return;
    SSL* ssl = SSL_new(context_);
    SSL_set_fd(ssl, client.fd());
    if (SSL_accept(ssl) == 1) {
      if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name))
        server_name_ = name;
      char bytes[4096];
      const int size = SSL_read(ssl, bytes, sizeof(bytes));
      if (size > 0) request_.assign(bytes, static_cast<std::size_t>(size));
      SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
      SSL_shutdown(ssl);
    }
    SSL_free(ssl);
  }
  void await_connection() const {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(listener_.fd(), &set);
    timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::select(listener_.fd() + 1, &set, nullptr, nullptr, &limit);
  }

  RawTcp listener_;
  SSL_CTX* context_;
  std::string request_;
  std::string server_name_;
  std::thread thread_;
};

}  // namespace chatixia::test
