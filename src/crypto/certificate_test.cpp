#include "crypto/certificate.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

namespace chatixia::crypto {
namespace {

using namespace std::chrono_literals;

const WallTime noon_2030{std::chrono::seconds(1'893'499'200)};

Certificate make_certificate() {
  auto made = Certificate::make(noon_2030, 24h * 30);
  EXPECT_TRUE(made.has_value());
  return std::move(*made);
}

TEST(Fingerprint, PrintsUpperCaseAndReadsBothCases) {
  Fingerprint fingerprint;
  for (std::size_t i = 0; i < 32; ++i)
    fingerprint.sha256[i] = static_cast<std::uint8_t>(0xA0 + 3 * i);
  std::string text = fingerprint.to_string();
  EXPECT_EQ(text.substr(0, 9), "A0:A3:A6:");
  EXPECT_EQ(text.size(), 95u);
  EXPECT_EQ(Fingerprint::parse(text), fingerprint);
  for (char& c : text) c = static_cast<char>(std::tolower(c));
  EXPECT_EQ(Fingerprint::parse(text), fingerprint);
}

TEST(Fingerprint, RefusesEveryPrefixExtraTextAndBadDigit) {
  const std::string text = Fingerprint{}.to_string();
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(Fingerprint::parse(text.substr(0, size))) << size;
  EXPECT_FALSE(Fingerprint::parse(text + ":"));
  EXPECT_FALSE(Fingerprint::parse(text + ":00"));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string bad = text;
    bad[i] = 'g';
    EXPECT_FALSE(Fingerprint::parse(bad)) << i;
  }
}

TEST(Certificate, IsSelfSignedWithP256AndValidFromYesterday) {
  const Certificate certificate = make_certificate();
  X509* x509 = certificate.x509();
  EXPECT_EQ(X509_verify(x509, certificate.key()), 1);
  char curve[32];
  ASSERT_EQ(EVP_PKEY_get_group_name(certificate.key(), curve, sizeof curve, nullptr), 1);
  EXPECT_STREQ(curve, "prime256v1");

  std::time_t inside = 1'893'499'200 - 3600;
  EXPECT_LT(X509_cmp_time(X509_get0_notBefore(x509), &inside), 0);
  EXPECT_GT(X509_cmp_time(X509_get0_notAfter(x509), &inside), 0);
  std::time_t late = 1'893'499'200 + 31 * 24 * 3600;
  EXPECT_LT(X509_cmp_time(X509_get0_notAfter(x509), &late), 0);

  char name[64];
  X509_NAME_oneline(X509_get_subject_name(x509), name, sizeof name);
  EXPECT_STREQ(name, "/CN=chatixia");
}

TEST(Certificate, NoTwoShareKeySerialOrFingerprint) {
  const Certificate one = make_certificate();
  const Certificate two = make_certificate();
  EXPECT_NE(one.fingerprint(), two.fingerprint());
  EXPECT_NE(
      ASN1_INTEGER_cmp(X509_get0_serialNumber(one.x509()), X509_get0_serialNumber(two.x509())), 0);
  EXPECT_EQ(EVP_PKEY_eq(one.key(), two.key()), 0);
}

TEST(Certificate, FingerprintIsTheDigestOfItsDer) {
  const Certificate certificate = make_certificate();
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.x509(), &der);
  ASSERT_GT(size, 0);
  Fingerprint expected;
  ASSERT_EQ(EVP_Digest(der, static_cast<std::size_t>(size), expected.sha256.data(), nullptr,
                       EVP_sha256(), nullptr),
            1);
  OPENSSL_free(der);
  EXPECT_EQ(certificate.fingerprint(), expected);
}

}  // namespace
}  // namespace chatixia::crypto
