#include "rtc/ice/candidate.hpp"

#include <gtest/gtest.h>

namespace chatixia::rtc::ice {
namespace {

Endpoint at(std::string_view text) {
  return Endpoint::parse(text).value();
}

ParseError refusal(std::string_view line) {
  const auto candidate = Candidate::parse(line);
  return candidate ? ParseError{} : candidate.error();
}

TEST(Candidate, ReadsAHostCandidate) {
  const auto candidate = Candidate::parse("candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host");
  ASSERT_TRUE(candidate);
  EXPECT_EQ(candidate->type, CandidateType::host);
  EXPECT_EQ(candidate->foundation, "1");
  EXPECT_EQ(candidate->priority, 2130706431u);
  EXPECT_EQ(candidate->address, at("192.0.2.1:50000"));
  EXPECT_EQ(candidate->related, std::nullopt);
}

TEST(Candidate, ReadsWhatBrowsersWriteAndSkipsTheirExtensions) {
  const auto candidate = Candidate::parse(
      "candidate:842163049 1 UDP 1677729535 198.51.100.7 46154 typ srflx raddr 10.0.0.17 rport "
      "46154 generation 0 ufrag EEtu network-id 1 network-cost 50");
  ASSERT_TRUE(candidate);
  EXPECT_EQ(candidate->type, CandidateType::server_reflexive);
  EXPECT_EQ(candidate->related, at("10.0.0.17:46154"));
}

TEST(Candidate, ReadsIpv6AndHiddenRelatedAddresses) {
  const auto candidate =
      Candidate::parse("candidate:a+/ 1 udp 1 2001:db8::1 9 typ relay raddr 0.0.0.0 rport 0");
  ASSERT_TRUE(candidate);
  EXPECT_EQ(candidate->address, at("[2001:db8::1]:9"));
  EXPECT_EQ(candidate->related, at("0.0.0.0:0"));
}

TEST(Candidate, EncodesWhatItReads) {
  for (const std::string_view line : {
           "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host",
           "candidate:x9 1 udp 1694498815 198.51.100.7 4 typ srflx raddr 10.0.0.1 rport 4",
           "candidate:x9 1 udp 1 2001:db8::1 65535 typ prflx raddr 2001:db8::2 rport 1",
           "candidate:7 1 udp 16777215 203.0.113.1 3478 typ relay raddr 198.51.100.7 rport 4",
       }) {
    const auto candidate = Candidate::parse(line);
    ASSERT_TRUE(candidate) << line;
    EXPECT_EQ(candidate->encode(), line);
  }
}

TEST(Candidate, CallsOtherTransportsComponentsTypesAndNamesUnsupported) {
  for (const std::string_view line : {
           "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
           "candidate:1 1 tcp 1 192.0.2.1 0 typ host tcptype active",
           "candidate:1 2 udp 1 192.0.2.1 5 typ host",
           "candidate:1 1 udp 1 4e7d-8.local 5 typ host",
           "candidate:1 1 udp 1 fe80::1%eth0 5 typ host",
           "candidate:1 1 udp 1 192.0.2.1 5 typ future",
       })
    EXPECT_EQ(refusal(line), ParseError::unsupported) << line;
}

TEST(Candidate, EveryPrefixIsTruncated) {
  const std::string_view line = "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host";
  for (std::size_t size = 10; size < line.size() - 4; ++size)
    EXPECT_EQ(refusal(line.substr(0, size)), ParseError::truncated) << line.substr(0, size);
  EXPECT_EQ(refusal("candidate"), ParseError::wrong_type);
}

TEST(Candidate, RefusesWhatTheGrammarDoesNotKnow) {
  const auto with = [](std::string_view rest) { return "candidate:" + std::string(rest); };
  EXPECT_EQ(refusal(with("1  1 udp 1 192.0.2.1 5 typ host")), ParseError::bad_syntax);
  EXPECT_EQ(refusal(with("1 1 udp 1 192.0.2.1 5 typ host ")), ParseError::bad_syntax);
  EXPECT_EQ(refusal(with("1 1 udp 1 192.0.2.1 5 typ host x")), ParseError::bad_syntax);
  EXPECT_EQ(refusal(with("1 1 udp 1 192.0.2.1 5 type host")), ParseError::bad_syntax);
  EXPECT_EQ(refusal(with("1-2 1 udp 1 192.0.2.1 5 typ host")), ParseError::bad_syntax);
  EXPECT_EQ(refusal(with(" 1 udp 1 192.0.2.1 5 typ host")), ParseError::bad_syntax);
  EXPECT_EQ(refusal(with(std::string(33, '1') + " 1 udp 1 192.0.2.1 5 typ host")),
            ParseError::bad_syntax);
  EXPECT_EQ(refusal(with("1 1 udp 1 192.0.2.1 5 typ host a\rb c")), ParseError::bad_syntax);
  EXPECT_EQ(refusal(with(std::string(2000, '1'))), ParseError::too_large);
}

TEST(Candidate, RefusesNumbersOutOfRange) {
  for (const std::string_view line : {
           "candidate:1 1 udp 0 192.0.2.1 5 typ host",
           "candidate:1 1 udp 2147483648 192.0.2.1 5 typ host",
           "candidate:1 1 udp -1 192.0.2.1 5 typ host",
           "candidate:1 1 udp 1 192.0.2.1 65536 typ host",
           "candidate:1 1 udp 1 192.0.2.1 5x typ host",
           "candidate:1 0 udp 1 192.0.2.1 5 typ host",
           "candidate:1 1 udp 1 192.0.2.1 5 typ srflx raddr 1.2.3.4 rport 70000",
       })
    EXPECT_EQ(refusal(line), ParseError::number_out_of_range) << line;
}

TEST(Candidate, RefusesAddressesThatNoOneCanBeAt) {
  EXPECT_EQ(refusal("candidate:1 1 udp 1 0.0.0.0 5 typ host"), ParseError::bad_value);
  EXPECT_EQ(refusal("candidate:1 1 udp 1 224.0.0.1 5 typ host"), ParseError::bad_value);
  EXPECT_EQ(refusal("candidate:1 1 udp 1 192.0.2.1 0 typ host"), ParseError::bad_value);
}

TEST(CandidatePriority, FollowsRfc8445) {
  EXPECT_EQ(candidate_priority(CandidateType::host, 65535), 2130706431u);
  EXPECT_EQ(candidate_priority(CandidateType::server_reflexive, 65535), 1694498815u);
  EXPECT_EQ(candidate_priority(CandidateType::relayed, 0), 255u);
  EXPECT_EQ(pair_priority(5, 3), (3ull << 32) + 10 + 1);
  EXPECT_EQ(pair_priority(3, 5), (3ull << 32) + 10);
  EXPECT_EQ(pair_priority(4, 4), (4ull << 32) + 8);
}

}  // namespace
}  // namespace chatixia::rtc::ice
