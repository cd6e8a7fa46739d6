#include "rtc/ice/candidate.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace chatixia::rtc::ice {
namespace {

constexpr std::size_t line_bytes_max = 1024;
constexpr std::size_t foundation_bytes_max = 32;
constexpr std::string_view prefix = "candidate:";

// Takes the words of a line one by one; RFC 8839 separates them with exactly one space.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  // Empty when there is none, or when two spaces meet.
  std::string_view next() {
    if (done_) return {};
    const std::size_t space = rest_.find(' ');
    const std::string_view word = rest_.substr(0, space);
    done_ = space == std::string_view::npos;
    rest_ = done_ ? std::string_view() : rest_.substr(space + 1);
    return word;
  }
  bool at_end() const { return done_; }

 private:
  std::string_view rest_;
  bool done_ = false;
};

template <class Number>
std::optional<Number> parse_number(std::string_view word) {
  Number value = 0;
  const char* const begin = word.data();
  const char* const end = begin + word.size();
  const auto [stopped, error] = std::from_chars(begin, end, value);
  if (word.empty() || error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

bool equals_ignoring_case(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

bool is_ice_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/';
}

bool is_token(std::string_view word) {
  return !word.empty() &&
         std::all_of(word.begin(), word.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::optional<CandidateType> parse_type(std::string_view word) {
  if (word == "host") return CandidateType::host;
  if (word == "srflx") return CandidateType::server_reflexive;
  if (word == "prflx") return CandidateType::peer_reflexive;
  if (word == "relay") return CandidateType::relayed;
  return std::nullopt;
}

// A related address is only told to people, so one that says nothing is left out.
std::optional<ParseError> parse_extensions(Words& words, Candidate& candidate) {
  std::optional<IpAddress> related_ip;
  std::optional<std::uint16_t> related_port;
  while (!words.at_end()) {
    const std::string_view name = words.next();
    if (!is_token(name) || words.at_end()) return ParseError::bad_syntax;
    const std::string_view value = words.next();
    if (!is_token(value)) return ParseError::bad_syntax;
    if (name == "raddr") related_ip = IpAddress::parse(value);
    if (name == "rport") {
      related_port = parse_number<std::uint16_t>(value);
      if (!related_port) return ParseError::number_out_of_range;
    }
  }
  if (related_ip && related_port) candidate.related = Endpoint{*related_ip, *related_port};
  return std::nullopt;
}

}  // namespace

std::string_view to_string(CandidateType type) {
  switch (type) {
    case CandidateType::host:
      return "host";
    case CandidateType::server_reflexive:
      return "srflx";
    case CandidateType::peer_reflexive:
      return "prflx";
    case CandidateType::relayed:
      return "relay";
  }
  return "unknown";
}

// RFC 8839, section 5.1.
std::expected<Candidate, ParseError> Candidate::parse(std::string_view line) {
  if (line.size() > line_bytes_max) return std::unexpected(ParseError::too_large);
  if (!line.starts_with(prefix)) return std::unexpected(ParseError::wrong_type);
  Words words(line.substr(prefix.size()));
  const std::string_view foundation = words.next();
  const std::string_view component = words.next();
  const std::string_view transport = words.next();
  const std::string_view priority = words.next();
  const std::string_view address = words.next();
  const std::string_view port = words.next();
  const std::string_view typ = words.next();
  const std::string_view type = words.next();
  if (type.empty()) return std::unexpected(ParseError::truncated);
  if (typ != "typ" || foundation.empty() || foundation.size() > foundation_bytes_max ||
      !std::all_of(foundation.begin(), foundation.end(), is_ice_char) || !is_token(transport) ||
      !is_token(address) || !is_token(type))
    return std::unexpected(ParseError::bad_syntax);

  const auto component_number = parse_number<std::uint16_t>(component);
  const auto priority_number = parse_number<std::uint32_t>(priority);
  const auto port_number = parse_number<std::uint16_t>(port);
  if (!component_number || !priority_number || !port_number)
    return std::unexpected(ParseError::number_out_of_range);
  if (*priority_number == 0 || *priority_number > 0x7fffffff || *component_number == 0)
    return std::unexpected(ParseError::number_out_of_range);

  const auto known_type = parse_type(type);
  const auto ip = IpAddress::parse(address);
  if (*component_number != 1 || !equals_ignoring_case(transport, "udp") || !known_type || !ip)
    return std::unexpected(ParseError::unsupported);
  if (*port_number == 0 || ip->is_unspecified() || ip->is_multicast())
    return std::unexpected(ParseError::bad_value);

  Candidate candidate;
  candidate.type = *known_type;
  candidate.foundation = std::string(foundation);
  candidate.priority = *priority_number;
  candidate.address = {*ip, *port_number};
  if (const auto error = parse_extensions(words, candidate)) return std::unexpected(*error);
  return candidate;
}

std::string Candidate::encode() const {
  std::string line = fmt::format("{}{} 1 udp {} {} {} typ {}", prefix, foundation, priority,
                                 address.ip.to_string(), address.port, ice::to_string(type));
  if (related) line += fmt::format(" raddr {} rport {}", related->ip.to_string(), related->port);
  return line;
}

std::uint32_t candidate_priority(CandidateType type, std::uint16_t local_preference) {
  std::uint32_t type_preference = 0;
  switch (type) {
    case CandidateType::host:
      type_preference = 126;
      break;
    case CandidateType::peer_reflexive:
      type_preference = 110;
      break;
    case CandidateType::server_reflexive:
      type_preference = 100;
      break;
    case CandidateType::relayed:
      type_preference = 0;
      break;
  }
  constexpr std::uint32_t component = 1;
  return type_preference << 24 | std::uint32_t{local_preference} << 8 | (256 - component);
}

std::uint64_t pair_priority(std::uint32_t controlling, std::uint32_t controlled) {
  const std::uint64_t low = std::min(controlling, controlled);
  const std::uint64_t high = std::max(controlling, controlled);
  return (low << 32) + 2 * high + (controlling > controlled ? 1 : 0);
}

}  // namespace chatixia::rtc::ice
