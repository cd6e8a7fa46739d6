"""Every limit both ends must agree on; the same numbers as src/base/limits.hpp."""

from typing import Final

# One mesh message, one DataChannel message.
MESSAGE_BYTES_MAX: Final = 256 * 1024

# One IPC line: a mesh message and the envelope around it.
IPC_LINE_BYTES_MAX: Final = MESSAGE_BYTES_MAX + 16 * 1024

# One HTTP body.
HTTP_BODY_BYTES_MAX: Final = 1024 * 1024

# JSON nesting; deeper input is an attack or a mistake.
JSON_DEPTH_MAX: Final = 64

# Peer and agent ids, skill names, request ids.
ID_BYTES_MAX: Final = 256

# Peers one list may name.
PEERS_MAX: Final = 1024

# What may wait for a caller that does not read its stream.
BACKLOG_BYTES_MAX: Final = 8 * 1024 * 1024

# Skills one agent runs at the same time; more are refused, so that a flood costs the sender.
TASKS_MAX: Final = 64
