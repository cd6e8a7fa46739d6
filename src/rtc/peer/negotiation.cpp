#include <utility>

#include "base/limits.hpp"
#include "rtc/peer/peer_connection_state.hpp"

// Offers, answers and candidates: RFC 8829 for one data m-line, RFC 8842 for the DTLS roles.
namespace chatixia::rtc::peer {

namespace {

std::unexpected<Error> refuse(ParseError error, std::string context) {
  return fail(make_error_code(error), std::move(context));
}

}  // namespace

std::string PeerConnection::State::describe(sdp::Setup setup) {
  const ice::Credentials& credentials = ice.local_credentials();
  sdp::SessionDescription description;
  description.session_id = session_id;
  description.session_version = ++session_version;
  description.mid = mid;
  description.ufrag = credentials.ufrag;
  description.password = credentials.password;
  description.fingerprint = options.certificate->fingerprint().to_string();
  description.setup = setup;
  description.message_bytes_max = options.message_bytes_max;
  for (const ice::Candidate& candidate : local_candidates)
    description.candidates.push_back(candidate.encode());
  description.end_of_candidates = local_candidates_ended;
  return description.encode();
}

Result<PeerConnection::State::Remote> PeerConnection::State::read_description(
    const sdp::SessionDescription& description) const {
  const auto fingerprint = crypto::Fingerprint::parse(description.fingerprint);
  if (!fingerprint) return refuse(ParseError::bad_value, "fingerprint");
  return Remote{.credentials = {description.ufrag, description.password},
                .fingerprint = *fingerprint,
                .setup = description.setup,
                .sctp_port = description.sctp_port,
                .message_bytes_max = description.message_bytes_max};
}

Result<void> PeerConnection::State::check_unchanged(const Remote& next) const {
  if (!remote) return {};
  // A new certificate, role or port would be a new DTLS or SCTP session: RFC 8842, section 4.
  if (next.fingerprint != remote->fingerprint)
    return refuse(ParseError::unsupported, "the fingerprint changed within a session");
  if (next.sctp_port != remote->sctp_port)
    return refuse(ParseError::unsupported, "the SCTP port changed within a session");
  return {};
}

void PeerConnection::State::apply(Instant now, Remote next,
                                  const sdp::SessionDescription& description) {
  if (!timeline.remote_description) timeline.remote_description = now;
  if (!remote || remote->credentials != next.credentials) {
    remote_candidate_count = 0;
    ice.set_remote_credentials(now, next.credentials);
  }
  remote = std::move(next);
  for (const std::string& candidate : description.candidates)
    // A bad candidate in a description costs that candidate only.
    (void)add_remote_candidate(now, candidate);
  if (description.end_of_candidates) ice.end_of_remote_candidates(now);
}

// The agent starts anew: no description has gone out, so no check can have come in.
void PeerConnection::State::become_controlled(Instant now) {
  ice::Agent::Options controlled = options.ice;
  controlled.role = ice::Role::controlled;
  ice = ice::Agent(controlled, ice.local_credentials(), random, now);
  for (const ice::Candidate& candidate : local_candidates) ice.add_local_candidate(now, candidate);
  if (local_candidates_ended) ice.end_of_local_candidates(now);
}

Result<std::string> PeerConnection::State::accept_offer(Instant now, std::string_view text) {
  const auto offer = sdp::SessionDescription::parse(text);
  if (!offer) return refuse(offer.error(), "offer");
  auto next = read_description(*offer);
  if (!next) return std::unexpected(next.error());
  if (const auto same = check_unchanged(*next); !same) return std::unexpected(same.error());

  const bool restarts = remote && remote->credentials != next->credentials;
  if (!remote) {
    become_controlled(now);
    role = offer->setup == sdp::Setup::active ? dtls::Role::server : dtls::Role::client;
  } else if (restarts) {
    ice.restart(now, ice::Credentials::make(random), ice::Role::controlled);
  }
  mid = offer->mid;
  apply(now, std::move(*next), *offer);
  return describe(*role == dtls::Role::client ? sdp::Setup::active : sdp::Setup::passive);
}

Result<void> PeerConnection::State::set_answer(Instant now, std::string_view text) {
  const auto answer = sdp::SessionDescription::parse(text);
  if (!answer) return refuse(answer.error(), "answer");
  auto next = read_description(*answer);
  if (!next) return std::unexpected(next.error());
  if (const auto same = check_unchanged(*next); !same) return std::unexpected(same.error());
  // RFC 8842, section 5.3: an answer decides.
  if (answer->setup == sdp::Setup::actpass)
    return refuse(ParseError::bad_value, "setup:actpass in an answer");
  const auto decided =
      answer->setup == sdp::Setup::active ? dtls::Role::server : dtls::Role::client;
  if (role && *role != decided)
    return refuse(ParseError::unsupported, "the DTLS role changed within a session");
  role = decided;
  apply(now, std::move(*next), *answer);
  return {};
}

Result<void> PeerConnection::State::add_remote_candidate(Instant now, std::string_view line) {
  if (line.starts_with("a=")) line.remove_prefix(2);
  if (line.empty() || line == "end-of-candidates") {
    ice.end_of_remote_candidates(now);
    return {};
  }
  const auto candidate = ice::Candidate::parse(line);
  if (!candidate) {
    if (candidate.error() == ParseError::unsupported) return {};
    return refuse(candidate.error(), "candidate");
  }
  if (remote_candidate_count >= limits::candidates_max) return {};
  ++remote_candidate_count;
  ice.add_remote_candidate(now, *candidate);
  return {};
}

std::string PeerConnection::State::restart_ice(Instant now) {
  ice.restart(now, ice::Credentials::make(random), ice::Role::controlling);
  return describe(sdp::Setup::actpass);
}

}  // namespace chatixia::rtc::peer
