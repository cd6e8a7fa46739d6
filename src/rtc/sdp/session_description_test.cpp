#include "rtc/sdp/session_description.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "base/random.hpp"

namespace chatixia::rtc::sdp {
namespace {

const std::string fingerprint =
    "7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:"
    "DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08";

const std::string chromium_offer =
    "v=0\r\n"
    "o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=group:BUNDLE 0\r\n"
    "a=extmap-allow-mixed\r\n"
    "a=msid-semantic: WMS\r\n"
    "m=application 51556 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    "c=IN IP4 192.0.2.10\r\n"
    "a=candidate:1467250027 1 udp 2122260223 192.0.2.10 51556 typ host generation 0 network-id 1 "
    "network-cost 10\r\n"
    "a=candidate:435653019 1 tcp 1845501695 192.0.2.10 9 typ host tcptype active generation 0\r\n"
    "a=candidate:842163049 1 udp 1677729535 203.0.113.7 51556 typ srflx raddr 192.0.2.10 rport "
    "51556 generation 0\r\n"
    "a=ice-ufrag:ETEn\r\n"
    "a=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l\r\n"
    "a=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 " +
    fingerprint +
    "\r\n"
    "a=setup:actpass\r\n"
    "a=mid:0\r\n"
    "a=sctp-port:5000\r\n"
    "a=max-message-size:262144\r\n";

const std::string firefox_offer =
    "v=0\r\n"
    "o=mozilla...THIS_IS_SDPARTA-99.0 7710052215259647220 0 IN IP4 0.0.0.0\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=fingerprint:sha-256 " +
    fingerprint +
    "\r\n"
    "a=group:BUNDLE 0\r\n"
    "a=ice-options:trickle\r\n"
    "a=msid-semantic:WMS *\r\n"
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "a=sendrecv\r\n"
    "a=ice-pwd:05b5e9ef8a4f7bb7a1dba2a0a2ab6e46\r\n"
    "a=ice-ufrag:af5ad0e6\r\n"
    "a=mid:0\r\n"
    "a=setup:actpass\r\n"
    "a=sctp-port:5000\r\n"
    "a=max-message-size:1073741823\r\n";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

ParseError error_of(std::string_view text) {
  const auto parsed = SessionDescription::parse(text);
  EXPECT_FALSE(parsed.has_value());
  return parsed ? ParseError{} : parsed.error();
}

TEST(SdpParse, ReadsAnOfferOfChromium) {
  const auto offer = SessionDescription::parse(chromium_offer);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->session_id, 4611731400430051336u);
  EXPECT_EQ(offer->session_version, 2u);
  EXPECT_EQ(offer->ufrag, "ETEn");
  EXPECT_EQ(offer->password, "OtSK0WpNtpUjkY4+86js7Z/l");
  EXPECT_EQ(offer->fingerprint, fingerprint);
  EXPECT_EQ(offer->setup, Setup::actpass);
  EXPECT_EQ(offer->mid, "0");
  EXPECT_EQ(offer->sctp_port, 5000);
  EXPECT_EQ(offer->message_bytes_max, 262144u);
  ASSERT_EQ(offer->candidates.size(), 3u);
  EXPECT_TRUE(offer->candidates[0].starts_with("candidate:1467250027 1 udp"));
  EXPECT_FALSE(offer->end_of_candidates);
}

TEST(SdpParse, ReadsAnOfferOfFirefoxWithItsFingerprintAtSessionLevel) {
  const auto offer = SessionDescription::parse(firefox_offer);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->ufrag, "af5ad0e6");
  EXPECT_EQ(offer->fingerprint, fingerprint);
  EXPECT_EQ(offer->message_bytes_max, 1073741823u);
}

TEST(SdpParse, ReadsTheOldFormOfTheDataChannelLine) {
  std::string old = replaced(chromium_offer, "UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5001");
  old = replaced(old, "a=sctp-port:5000\r\n", "a=sctpmap:5001 webrtc-datachannel 1024\r\n");
  const auto offer = SessionDescription::parse(old);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->sctp_port, 5001);
}

TEST(SdpParse, SessionLevelCredentialsAndSetupAreDefaults) {
  std::string text = replaced(firefox_offer, "a=setup:actpass\r\n", "");
  text = replaced(text, "a=ice-ufrag:af5ad0e6\r\n", "");
  text = replaced(text, "a=ice-pwd:05b5e9ef8a4f7bb7a1dba2a0a2ab6e46\r\n", "");
  EXPECT_EQ(error_of(text), ParseError::missing_field);
  text = replaced(text, "s=-\r\n",
                  "s=-\r\na=ice-ufrag:sess\r\na=ice-pwd:0123456789012345678901\r\n"
                  "a=setup:passive\r\n");
  const auto offer = SessionDescription::parse(text);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->ufrag, "sess");
  EXPECT_EQ(offer->setup, Setup::passive);
}

TEST(SdpParse, TakesTheSha256OfSeveralFingerprints) {
  const auto offer = SessionDescription::parse(
      replaced(chromium_offer, "a=fingerprint:",
               "a=fingerprint:sha-1 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44\r\n"
               "a=fingerprint:"));
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->fingerprint, fingerprint);
  EXPECT_TRUE(SessionDescription::parse(replaced(chromium_offer, "sha-256", "SHA-256")));
}

TEST(SdpParse, AnotherHashAloneIsUnsupported) {
  EXPECT_EQ(error_of(replaced(chromium_offer, "sha-256", "sha-512")), ParseError::unsupported);
}

TEST(SdpParse, BareLineFeedsAndAMissingLastOneAreAccepted) {
  std::string text = chromium_offer;
  std::erase(text, '\r');
  text.pop_back();
  EXPECT_EQ(SessionDescription::parse(text), SessionDescription::parse(chromium_offer));
}

TEST(SdpParse, EndOfCandidatesIsSeen) {
  const auto offer = SessionDescription::parse(
      replaced(chromium_offer, "a=mid:0", "a=end-of-candidates\r\na=mid:0"));
  ASSERT_TRUE(offer);
  EXPECT_TRUE(offer->end_of_candidates);
}

TEST(SdpParse, RejectedMediaAndOtherKindsAreUnsupported) {
  EXPECT_EQ(error_of(replaced(chromium_offer, "application 51556", "application 0")),
            ParseError::unsupported);
  EXPECT_EQ(
      error_of(replaced(chromium_offer, "m=application 51556 UDP/DTLS/SCTP webrtc-datachannel",
                        "m=audio 9 UDP/TLS/RTP/SAVPF 111")),
      ParseError::unsupported);
  EXPECT_EQ(error_of(replaced(chromium_offer, "webrtc-datachannel", "other")),
            ParseError::unsupported);
  EXPECT_EQ(error_of(chromium_offer + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"),
            ParseError::unsupported);
}

TEST(SdpParse, EachNecessaryLineIsMissed) {
  for (const std::string line :
       {"a=ice-ufrag:ETEn\r\n", "a=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l\r\n", "a=setup:actpass\r\n"})
    EXPECT_EQ(error_of(replaced(chromium_offer, line, "")), ParseError::missing_field) << line;
  EXPECT_EQ(error_of(replaced(chromium_offer, "a=fingerprint:sha-256 " + fingerprint + "\r\n", "")),
            ParseError::missing_field);
  EXPECT_EQ(error_of("v=0\r\n"), ParseError::missing_field);
  EXPECT_EQ(error_of(""), ParseError::missing_field);
}

TEST(SdpParse, BadValuesAreRefused) {
  const std::pair<std::string, std::string> changes[] = {
      {"ice-ufrag:ETEn", "ice-ufrag:ETE"},
      {"ice-ufrag:ETEn", "ice-ufrag:ET n"},
      {"ice-ufrag:ETEn", "ice-ufrag:" + std::string(257, 'a')},
      {"ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l", "ice-pwd:short"},
      {"setup:actpass", "setup:holdconn"},
      {"setup:actpass", "setup:"},
      {"mid:0", "mid:"},
      {"mid:0", "mid:a b"},
      {"sctp-port:5000", "sctp-port:0"},
      {"sctp-port:5000", "sctp-port:65536"},
      {"sctp-port:5000", "sctp-port:-1"},
      {"max-message-size:262144", "max-message-size:x"},
      {"max-message-size:262144", "max-message-size:99999999999999999999999"},
      {"sha-256 7B:", "sha-256 "},
  };
  for (const auto& [from, to] : changes)
    EXPECT_EQ(error_of(replaced(chromium_offer, from, to)), ParseError::bad_value) << to;
}

TEST(SdpParse, BadSyntaxIsRefused) {
  EXPECT_EQ(error_of("hello"), ParseError::bad_syntax);
  EXPECT_EQ(error_of(replaced(chromium_offer, "v=0", "v=1")), ParseError::bad_syntax);
  EXPECT_EQ(error_of(replaced(chromium_offer, "s=-", "s")), ParseError::bad_syntax);
  EXPECT_EQ(error_of(replaced(chromium_offer, "s=-\r\n", "\r\n")), ParseError::bad_syntax);
  EXPECT_EQ(error_of(replaced(chromium_offer, "s=-", std::string("s=\0-", 4))),
            ParseError::bad_syntax);
  EXPECT_EQ(error_of(replaced(chromium_offer, "4611731400430051336", "x")), ParseError::bad_syntax);
  EXPECT_EQ(error_of(replaced(chromium_offer, "51556 UDP", "70000 UDP")), ParseError::bad_syntax);
}

TEST(SdpParse, RepeatedCredentialsAndSetupAreRefused) {
  for (const std::string line :
       {"a=ice-ufrag:ETEn\r\n", "a=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l\r\n", "a=setup:actpass\r\n"})
    EXPECT_EQ(error_of(replaced(chromium_offer, line, line + line)), ParseError::duplicate_field);
}

TEST(SdpParse, TextLinesAndCandidatesAreBounded) {
  EXPECT_EQ(error_of(chromium_offer + "a=x:" + std::string(4096, 'y')), ParseError::too_large);
  std::string large = chromium_offer;
  while (large.size() <= limits::signal_bytes_max) large += "a=x:filler\r\n";
  EXPECT_EQ(error_of(large), ParseError::too_large);

  std::string many = chromium_offer;
  for (int i = 0; i < 200; ++i) many += "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n";
  const auto parsed = SessionDescription::parse(many);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->candidates.size(), limits::candidates_max);
}

TEST(SdpParse, NoMutationOfAnOfferCrashesOrBreaksOutOfALine) {
  SeededRandom random(11);
  for (int run = 0; run < 20000; ++run) {
    std::string text = chromium_offer;
    for (std::uint64_t i = random.below(6); i-- > 0;)
      text[random.below(text.size())] = static_cast<char>(random.below(256));
    text.resize(random.below(text.size() + 1));
    const auto parsed = SessionDescription::parse(text);
    if (!parsed) continue;
    ASSERT_EQ(parsed->mid.find_first_of("\r\n"), std::string::npos);
    ASSERT_EQ(SessionDescription::parse(parsed->encode()), *parsed);
  }
}

TEST(SdpEncode, WritesWhatBrowsersAccept) {
  SessionDescription description;
  description.session_id = 7;
  description.ufrag = "abcd";
  description.password = "0123456789012345678901";
  description.fingerprint = fingerprint;
  description.setup = Setup::active;
  description.message_bytes_max = 262144;
  description.candidates = {"candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host"};
  EXPECT_EQ(description.encode(),
            "v=0\r\n"
            "o=- 7 1 IN IP4 127.0.0.1\r\n"
            "s=-\r\n"
            "t=0 0\r\n"
            "a=group:BUNDLE 0\r\n"
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
            "c=IN IP4 0.0.0.0\r\n"
            "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\r\n"
            "a=ice-ufrag:abcd\r\n"
            "a=ice-pwd:0123456789012345678901\r\n"
            "a=ice-options:trickle\r\n"
            "a=fingerprint:sha-256 " +
                fingerprint +
                "\r\n"
                "a=setup:active\r\n"
                "a=mid:0\r\n"
                "a=sctp-port:5000\r\n"
                "a=max-message-size:262144\r\n");
}

TEST(SdpEncode, RoundTrips) {
  auto description = *SessionDescription::parse(chromium_offer);
  description.end_of_candidates = true;
  EXPECT_EQ(SessionDescription::parse(description.encode()), description);
  description.mid.clear();
  EXPECT_EQ(SessionDescription::parse(description.encode()), description);
}

}  // namespace
}  // namespace chatixia::rtc::sdp
