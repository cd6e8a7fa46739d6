"""What can go wrong, as exceptions that carry a stable code, a sentence and what to do about it."""

from typing import ClassVar, Final, NamedTuple


class ErrorText(NamedTuple):
    """The sentence of a code and what to do about it."""

    message: str
    hint: str = ""


# The codes of the mesh, as tests/vectors/errors.json lists them for every language.
ERROR_TEXTS: Final[dict[str, ErrorText]] = {
    "bad_request": ErrorText(
        "The request is not well formed.",
        "Compare it with the protocol documentation; the details name the field.",
    ),
    "too_large": ErrorText(
        "The request is larger than the limit.",
        "Send less at once, or split it into several requests.",
    ),
    "unknown_command": ErrorText(
        "The sidecar does not know this command.",
        "Check the command's type, or update the sidecar.",
    ),
    "unknown_peer": ErrorText(
        "Nobody of that name is on the mesh.",
        "Check the peer id; the peer may not be running or not be approved yet.",
    ),
    "not_connected": ErrorText(
        "The registry is not reachable, so no link can be made.",
        "Check the registry's address and that it is running; the sidecar keeps trying.",
    ),
    "connect_failed": ErrorText(
        "A link to the peer was tried and did not open.",
        "Both sides may be behind strict firewalls; configure a TURN server.",
    ),
    "send_buffer_full": ErrorText(
        "The link's send buffer is full.",
        "Wait until earlier messages are delivered, then send again.",
    ),
    "message_too_large": ErrorText(
        "The message is larger than a peer accepts.",
        "Send at most 256 KiB in one message; stream larger results in chunks.",
    ),
    "sidecar_gone": ErrorText(
        "The sidecar has ended or closed the connection.",
        "Look at the sidecar's log; the agent has to start it again.",
    ),
    "sidecar_busy": ErrorText(
        "Another agent uses this sidecar.",
        "Start one sidecar for each agent, each with a socket path of its own.",
    ),
    "backlog_full": ErrorText(
        "Messages were dropped while no agent was reading.",
        "Read events without long pauses; ask the senders to repeat what is missing.",
    ),
    "deadline_exceeded": ErrorText(
        "The answer did not come before the deadline.",
        "Allow more time, or check that the other agent is not overloaded.",
    ),
    "unknown_skill": ErrorText(
        "The agent does not have this skill.",
        "Ask the registry which agents have it.",
    ),
    "skill_failed": ErrorText(
        "The skill ended with an error.",
        "The details come from the agent that ran it; look at its log.",
    ),
    "unauthorized": ErrorText(
        "The credentials are missing or not valid.",
        "Send a valid API key, device token or access token.",
    ),
    "forbidden": ErrorText(
        "The credentials do not allow this.",
        "Use credentials of a role that may do it.",
    ),
    "not_found": ErrorText(
        "There is nothing of that name.",
        "Check the name; the thing may have been removed.",
    ),
    "conflict": ErrorText(
        "The request does not fit the present state.",
        "Read the present state, then decide again.",
    ),
    "too_many_requests": ErrorText(
        "There were too many requests in a short time.",
        "Wait a minute, then try again.",
    ),
    "method_not_allowed": ErrorText(
        "This address does not support the method.",
        "Compare the method with the API documentation.",
    ),
    "unavailable": ErrorText(
        "The service cannot answer now.",
        "Try again in a few seconds.",
    ),
    "internal": ErrorText(
        "Something went wrong inside the service.",
        "Look at its log; please report it if it happens again.",
    ),
}


class MeshError(Exception):
    """Base of every error of this package. Compare `code`; show `message` and `hint`."""

    default_code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        hint: str | None = None,
        target_peer: str | None = None,
    ) -> None:
        self.code = code or self.default_code
        text = ERROR_TEXTS.get(self.code, ErrorText(self.code))
        self.message = message or text.message
        self.hint = text.hint if hint is None else hint
        self.target_peer = target_peer
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class BadRequest(MeshError):
    """A line, message or argument that does not have the agreed form."""

    default_code = "bad_request"


class TooLarge(MeshError):
    """A line or body above its limit."""

    default_code = "too_large"


class MessageTooLarge(MeshError):
    """A mesh message above 256 KiB."""

    default_code = "message_too_large"


class Unreachable(MeshError):
    """The peer cannot be reached; the message was certainly not delivered."""

    default_code = "not_connected"


class UnknownPeer(Unreachable):
    """No peer of that name is on the mesh."""

    default_code = "unknown_peer"


class NotConnected(Unreachable):
    """There is no link to the peer."""

    default_code = "not_connected"


class ConnectFailed(Unreachable):
    """A link to the peer could not be made."""

    default_code = "connect_failed"


class PeerLost(MeshError):
    """The link closed after the request was sent; whether the peer acted on it is unknown."""

    default_code = "not_connected"

    def __init__(self, message: str, *, target_peer: str | None = None) -> None:
        super().__init__(
            message,
            hint="ask again if it does no harm to do the task twice",
            target_peer=target_peer,
        )


class SendBufferFull(MeshError):
    """The link takes no more for now."""

    default_code = "send_buffer_full"


class SidecarGone(MeshError):
    """The sidecar ended or closed the socket."""

    default_code = "sidecar_gone"


class SidecarBusy(MeshError):
    """Another agent holds the sidecar's socket."""

    default_code = "sidecar_busy"


class BacklogFull(MeshError):
    """More arrived than was read, and some of it was dropped."""

    default_code = "backlog_full"


class DeadlineExceeded(MeshError, TimeoutError):
    """The answer did not come in time."""

    default_code = "deadline_exceeded"


class UnknownSkill(MeshError):
    """The agent has no such skill."""

    default_code = "unknown_skill"


class SkillFailed(MeshError):
    """The skill ran and failed."""

    default_code = "skill_failed"


class RegistryError(MeshError):
    """The registry refused a call or could not be reached; `status` is 0 for the latter."""

    default_code = "unavailable"

    def __init__(self, message: str = "", *, status: int = 0, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status


_BY_CODE: Final[dict[str, type[MeshError]]] = {
    kind.default_code: kind
    for kind in (
        BadRequest,
        TooLarge,
        MessageTooLarge,
        UnknownPeer,
        NotConnected,
        ConnectFailed,
        SendBufferFull,
        SidecarGone,
        SidecarBusy,
        BacklogFull,
        DeadlineExceeded,
        UnknownSkill,
        SkillFailed,
    )
}


# What the mesh says of the caller's own link and sidecar, and nobody else can say of them.
_OWN_TROUBLE: Final = (Unreachable, SendBufferFull, SidecarGone, SidecarBusy, BacklogFull)


def make_error(
    code: str, message: str = "", hint: str | None = None, target_peer: str | None = None
) -> MeshError:
    """The exception of a code; an unknown code is a plain MeshError that keeps it."""
    kind = _BY_CODE.get(code, MeshError)
    return kind(message, code=code, hint=hint, target_peer=target_peer)


def make_skill_error(code: str, message: str) -> MeshError:
    """The exception of what a skill elsewhere ended with.

    Its trouble with a third agent is a failure of the skill: the link to it has just carried the
    answer, so nobody may take the task for undelivered.
    """
    error = make_error(code, message)
    return SkillFailed(f"{code}: {error.message}") if isinstance(error, _OWN_TROUBLE) else error
