#include "rtc/sdp/session_description.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "base/limits.hpp"
#include "rtc/sdp/lines.hpp"

namespace chatixia::rtc::sdp {

namespace {

std::string_view to_string(Setup setup) {
  switch (setup) {
    case Setup::actpass:
      return "actpass";
    case Setup::active:
      return "active";
    case Setup::passive:
      return "passive";
  }
  return "";
}

std::optional<Setup> parse_setup(std::string_view text) {
  for (const Setup setup : {Setup::actpass, Setup::active, Setup::passive})
    if (text == to_string(setup)) return setup;
  return std::nullopt;
}

// Attribute names and hash functions are compared without case where their RFCs say so.
bool equal_without_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// Attributes that may stand at session level as a default for the m-line, and in it.
struct Transport {
  std::optional<std::string> ufrag;
  std::optional<std::string> password;
  std::optional<std::string> fingerprint;
  std::optional<Setup> setup;
  bool other_fingerprint = false;
};

class Parser {
 public:
  std::expected<SessionDescription, ParseError> parse(std::string_view text);

 private:
  using Status = std::expected<void, ParseError>;

  Status on_line(const Line& line);
  Status on_media(std::string_view value);
  Status on_attribute(std::string_view name, std::string_view value);
  Status on_transport(Transport& transport, std::string_view name, std::string_view value);
  Status on_data_attribute(std::string_view name, std::string_view value);
  Status on_fingerprint(Transport& transport, std::string_view value);
  std::expected<SessionDescription, ParseError> finish();

  Transport session_;
  Transport media_;
  bool in_media_ = false;
  SessionDescription description_;
};

std::expected<SessionDescription, ParseError> Parser::parse(std::string_view text) {
  if (text.size() > limits::signal_bytes_max) return std::unexpected(ParseError::too_large);
  description_.mid.clear();
  LineReader reader(text);
  bool first = true;
  while (!reader.at_end()) {
    const auto line = reader.next();
    if (!line) return std::unexpected(line.error());
    if (std::exchange(first, false)) {
      if (line->type != 'v' || line->value != "0") return std::unexpected(ParseError::bad_syntax);
      continue;
    }
    if (const auto status = on_line(*line); !status) return std::unexpected(status.error());
  }
  return finish();
}

Parser::Status Parser::on_line(const Line& line) {
  std::string_view rest = line.value;
  switch (line.type) {
    case 'o': {
      take_until(rest, ' ');  // user name
      const auto id =
          parse_number(take_until(rest, ' '), std::numeric_limits<std::uint64_t>::max());
      const auto version =
          parse_number(take_until(rest, ' '), std::numeric_limits<std::uint64_t>::max());
      if (!id || !version) return std::unexpected(ParseError::bad_syntax);
      description_.session_id = *id;
      description_.session_version = *version;
      return {};
    }
    case 'm':
      return on_media(rest);
    case 'a': {
      const std::string_view name = take_until(rest, ':');
      return on_attribute(name, rest);
    }
    default:
      return {};
  }
}

// RFC 8841, section 5.1; the older form names the port in place of "webrtc-datachannel".
Parser::Status Parser::on_media(std::string_view value) {
  if (in_media_) return std::unexpected(ParseError::unsupported);
  in_media_ = true;
  const std::string_view media = take_until(value, ' ');
  const auto port = parse_number(take_until(value, ' '), 65535);
  const std::string_view protocol = take_until(value, ' ');
  if (!port) return std::unexpected(ParseError::bad_syntax);
  if (media != "application" || *port == 0) return std::unexpected(ParseError::unsupported);
  if (protocol == "UDP/DTLS/SCTP" || protocol == "TCP/DTLS/SCTP") {
    if (value != "webrtc-datachannel") return std::unexpected(ParseError::unsupported);
    return {};
  }
  if (protocol != "DTLS/SCTP") return std::unexpected(ParseError::unsupported);
  const auto sctp_port = parse_number(value, 65535);
  if (!sctp_port || *sctp_port == 0) return std::unexpected(ParseError::bad_value);
  description_.sctp_port = static_cast<std::uint16_t>(*sctp_port);
  return {};
}

Parser::Status Parser::on_attribute(std::string_view name, std::string_view value) {
  if (name == "ice-ufrag" || name == "ice-pwd" || name == "setup" || name == "fingerprint")
    return on_transport(in_media_ ? media_ : session_, name, value);
  return on_data_attribute(name, value);
}

Parser::Status Parser::on_transport(Transport& transport, std::string_view name,
                                    std::string_view value) {
  if (name == "fingerprint") return on_fingerprint(transport, value);
  if (name == "setup") {
    const auto setup = parse_setup(value);
    if (transport.setup) return std::unexpected(ParseError::duplicate_field);
    if (!setup) return std::unexpected(ParseError::bad_value);
    transport.setup = setup;
    return {};
  }
  const bool ufrag = name == "ice-ufrag";
  auto& field = ufrag ? transport.ufrag : transport.password;
  if (field) return std::unexpected(ParseError::duplicate_field);
  // RFC 8839, section 5.4.
  if (!is_ice_text(value, ufrag ? 4 : 22, 256)) return std::unexpected(ParseError::bad_value);
  field = value;
  return {};
}

// RFC 8122, section 5: several may be given, one for each hash function.
Parser::Status Parser::on_fingerprint(Transport& transport, std::string_view value) {
  const std::string_view hash = take_until(value, ' ');
  if (!equal_without_case(hash, "sha-256")) {
    transport.other_fingerprint = true;
    return {};
  }
  if (value.size() != 32 * 3 - 1) return std::unexpected(ParseError::bad_value);
  if (!transport.fingerprint) transport.fingerprint = value;
  return {};
}

Parser::Status Parser::on_data_attribute(std::string_view name, std::string_view value) {
  if (name == "candidate") {
    if (description_.candidates.size() < limits::candidates_max)
      description_.candidates.push_back("candidate:" + std::string(value));
  } else if (name == "end-of-candidates") {
    description_.end_of_candidates = true;
  } else if (name == "mid") {
    if (!is_token(value, 64)) return std::unexpected(ParseError::bad_value);
    description_.mid = value;
  } else if (name == "sctp-port") {
    const auto port = parse_number(value, 65535);
    if (!port || *port == 0) return std::unexpected(ParseError::bad_value);
    description_.sctp_port = static_cast<std::uint16_t>(*port);
  } else if (name == "max-message-size") {
    const auto size = parse_number(value, std::numeric_limits<std::uint64_t>::max());
    if (!size) return std::unexpected(ParseError::bad_value);
    description_.message_bytes_max = *size;
  }
  return {};
}

std::expected<SessionDescription, ParseError> Parser::finish() {
  if (!in_media_) return std::unexpected(ParseError::missing_field);
  const auto pick = [](auto& media, auto& session) { return media ? media : session; };
  // Credentials come as a pair from one level.
  const bool media_credentials = media_.ufrag || media_.password;
  const Transport& credentials = media_credentials ? media_ : session_;
  const auto fingerprint = pick(media_.fingerprint, session_.fingerprint);
  const auto setup = pick(media_.setup, session_.setup);
  if (!fingerprint && (media_.other_fingerprint || session_.other_fingerprint))
    return std::unexpected(ParseError::unsupported);
  if (!credentials.ufrag || !credentials.password || !fingerprint || !setup)
    return std::unexpected(ParseError::missing_field);
  description_.ufrag = *credentials.ufrag;
  description_.password = *credentials.password;
  description_.fingerprint = *fingerprint;
  description_.setup = *setup;
  return std::move(description_);
}

}  // namespace

std::expected<SessionDescription, ParseError> SessionDescription::parse(std::string_view text) {
  return Parser().parse(text);
}

std::string SessionDescription::encode() const {
  std::string text;
  text.reserve(600 + candidates.size() * 120);
  const auto line = [&text](auto... parts) {
    ((text += parts), ...);
    text += "\r\n";
  };
  line("v=0");
  line("o=- ", std::to_string(session_id), " ", std::to_string(session_version),
       " IN IP4 127.0.0.1");
  line("s=-");
  line("t=0 0");
  if (!mid.empty()) line("a=group:BUNDLE ", mid);
  line("m=application 9 UDP/DTLS/SCTP webrtc-datachannel");
  line("c=IN IP4 0.0.0.0");
  for (const std::string& candidate : candidates) line("a=", candidate);
  if (end_of_candidates) line("a=end-of-candidates");
  line("a=ice-ufrag:", ufrag);
  line("a=ice-pwd:", password);
  line("a=ice-options:trickle");
  line("a=fingerprint:sha-256 ", fingerprint);
  line("a=setup:", to_string(setup));
  if (!mid.empty()) line("a=mid:", mid);
  line("a=sctp-port:", std::to_string(sctp_port));
  line("a=max-message-size:", std::to_string(message_bytes_max));
  return text;
}

}  // namespace chatixia::rtc::sdp
