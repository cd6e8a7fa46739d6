#pragma once

#include <cstddef>

// Every limit that more than one module must agree on, with the reason for its value.
namespace chatixia::limits {

// One mesh message, one DataChannel message. Chromium announces 256 KiB as its max-message-size.
inline constexpr std::size_t message_bytes_max = 256 * 1024;

// One IPC line: a mesh message and the envelope around it.
inline constexpr std::size_t ipc_line_bytes_max = message_bytes_max + 16 * 1024;

// One signaling envelope: an SDP with a few dozen candidates is under 8 KiB.
inline constexpr std::size_t signal_bytes_max = 64 * 1024;

// One HTTP body: a task payload may hold a whole message.
inline constexpr std::size_t http_body_bytes_max = 1024 * 1024;

// JSON nesting; deeper input is an attack or a mistake.
inline constexpr std::size_t json_depth_max = 64;

// Peer and agent ids, skill names, request ids.
inline constexpr std::size_t id_bytes_max = 256;

// Peers one node keeps state for; a mesh of a thousand fits.
inline constexpr std::size_t peers_max = 1024;

// Remote candidates kept for one peer (RFC 8445, section 6.1.2.5 limits the pairs to 100).
inline constexpr std::size_t candidates_max = 64;

// What a peer may have queued before its channel is open.
inline constexpr std::size_t pending_messages_max = 256;
inline constexpr std::size_t pending_bytes_max = 1024 * 1024;

// What a channel may hold unsent before send() answers send_buffer_full.
inline constexpr std::size_t send_buffer_bytes_max = 4 * 1024 * 1024;

// What waits for an agent that is not there or does not read.
inline constexpr std::size_t agent_backlog_bytes_max = 8 * 1024 * 1024;

}  // namespace chatixia::limits
