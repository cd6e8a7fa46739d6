"""Agent and sidecar: one JSON object a line over a Unix socket."""

from dataclasses import dataclass, field
from typing import Final

from chatixia import limits
from chatixia.errors import BadRequest, MeshError, make_error
from chatixia.protocol import strict_json
from chatixia.protocol.mesh import Message
from chatixia.protocol.strict_json import JsonObject, ObjectReader

# A message sits two levels deep in its line: {"payload": {"message": ...}}.
_LINE_DEPTH_MAX: Final = limits.JSON_DEPTH_MAX + 2

_SENTENCE_BYTES_MAX: Final = 16 * 1024


# Commands, agent to sidecar.


@dataclass(frozen=True, slots=True)
class Send:
    target_peer: str
    message: Message

    def encode(self, command_id: str | None = None) -> bytes:
        # The message is encoded alone first, so that its own limit is checked.
        target = strict_json.encode(self.target_peer)
        return _line(
            "send", b'{"target_peer":%b,"message":%b}' % (target, self.message.encode()), command_id
        )


@dataclass(frozen=True, slots=True)
class Broadcast:
    message: Message

    def encode(self, command_id: str | None = None) -> bytes:
        return _line("broadcast", b'{"message":%b}' % self.message.encode(), command_id)


@dataclass(frozen=True, slots=True)
class ListPeers:
    def encode(self, command_id: str | None = None) -> bytes:
        return _line("list_peers", b"{}", command_id)


@dataclass(frozen=True, slots=True)
class Connect:
    target_peer_id: str

    def encode(self, command_id: str | None = None) -> bytes:
        target = strict_json.encode(self.target_peer_id)
        return _line("connect", b'{"target_peer_id":%b}' % target, command_id)


@dataclass(frozen=True, slots=True)
class Status:
    def encode(self, command_id: str | None = None) -> bytes:
        return _line("status", b"{}", command_id)


Command = Send | Broadcast | ListPeers | Connect | Status


def _line(kind: str, payload: bytes, command_id: str | None) -> bytes:
    name = b'"id":%b,' % strict_json.encode(command_id) if command_id is not None else b""
    return b'{"type":"%b",%b"payload":%b}\n' % (kind.encode(), name, payload)


# Events, sidecar to agent.


@dataclass(frozen=True, slots=True)
class MessageEvent:
    from_peer: str
    message: Message


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """`link` says how the link came about; empty when the sidecar does not tell."""

    peer_id: str
    link: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """So many `undelivered_bytes` were accepted for the peer, which may have missed them."""

    peer_id: str
    reason: str = ""
    undelivered_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RegistryConnected:
    """The registry is connected, again if it was before: what it knew of the agent may be gone."""

    self: str


@dataclass(frozen=True, slots=True)
class PeerListEvent:
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatusEvent:
    status: JsonObject


@dataclass(frozen=True, slots=True)
class Ok:
    pass


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    code: str
    message: str
    hint: str = ""
    target_peer: str | None = None

    def to_error(self) -> MeshError:
        return make_error(self.code, self.message, self.hint, self.target_peer)


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """Of a kind this version does not know; readers go on."""

    type: str


EventBody = (
    MessageEvent
    | PeerConnected
    | PeerDisconnected
    | RegistryConnected
    | PeerListEvent
    | StatusEvent
    | Ok
    | ErrorEvent
    | UnknownEvent
)


@dataclass(frozen=True, slots=True)
class Event:
    body: EventBody
    id: str | None = None


def parse_event(line: bytes) -> Event:
    """One line without its newline; raises BadRequest or TooLarge."""
    outer = ObjectReader(
        strict_json.parse_object(
            line, bytes_max=limits.IPC_LINE_BYTES_MAX, depth_max=_LINE_DEPTH_MAX
        )
    )
    kind = outer.text("type")
    return Event(_parse_body(kind, outer.object_or_empty("payload")), outer.optional_text("id"))


def _parse_body(kind: str, payload: JsonObject) -> EventBody:
    reader = ObjectReader(payload)
    match kind:
        case "message":
            if not reader.text("from_peer"):
                raise BadRequest("from_peer: missing")
            return MessageEvent(
                reader.text("from_peer"), Message.from_json(reader.value("message"))
            )
        case "peer_connected":
            return PeerConnected(reader.text("peer_id"), reader.object_or_empty("link"))
        case "peer_disconnected":
            return PeerDisconnected(
                peer_id=reader.text("peer_id"),
                reason=reader.text_or("reason", "", 4096),
                undelivered_bytes=reader.optional_integer("undelivered_bytes", 0, 2**53) or 0,
            )
        case "registry_connected":
            return RegistryConnected(reader.text("self"))
        case "peer_list":
            return PeerListEvent(tuple(reader.texts_or_empty("peers", limits.PEERS_MAX)))
        case "status":
            return StatusEvent(payload)
        case "ok":
            return Ok()
        case "error":
            return ErrorEvent(
                code=reader.text("code"),
                message=reader.text_or("message", "", _SENTENCE_BYTES_MAX),
                hint=reader.text_or("hint", "", _SENTENCE_BYTES_MAX),
                target_peer=reader.optional_text("target_peer"),
            )
        case _:
            return UnknownEvent(kind)
