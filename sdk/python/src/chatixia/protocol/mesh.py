"""What agents say to each other: one UTF-8 JSON object a DataChannel message."""

from dataclasses import dataclass, field
from typing import Any, Final, Self

from chatixia import limits
from chatixia.errors import BadRequest, MessageTooLarge
from chatixia.protocol import strict_json
from chatixia.protocol.strict_json import Json, JsonObject, ObjectReader

PING: Final = "ping"
PONG: Final = "pong"
TASK_REQUEST: Final = "task_request"
TASK_RESPONSE: Final = "task_response"
TASK_STREAM_CHUNK: Final = "task_stream_chunk"
SKILL_QUERY: Final = "skill_query"
SKILL_RESPONSE: Final = "skill_response"
AGENT_STATUS: Final = "agent_status"
AGENT_PROMPT: Final = "agent_prompt"
AGENT_RESPONSE: Final = "agent_response"
AGENT_STREAM_CHUNK: Final = "agent_stream_chunk"

# These leave their request open.
STREAM_CHUNKS: Final = frozenset({TASK_STREAM_CHUNK, AGENT_STREAM_CHUNK})

# These answer nothing, whatever id they carry.
NO_ANSWERS: Final = frozenset({PING, TASK_REQUEST, SKILL_QUERY, AGENT_PROMPT, AGENT_STATUS})


@dataclass(frozen=True, slots=True)
class Message:
    """One message. All but `type` default to empty."""

    type: str
    request_id: str = ""
    source_agent: str = ""
    target_agent: str = ""
    payload: JsonObject = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Json) -> Self:
        reader = ObjectReader(value)
        return cls(
            type=reader.text("type"),
            request_id=reader.text_or("request_id", ""),
            source_agent=reader.text_or("source_agent", ""),
            target_agent=reader.text_or("target_agent", ""),
            payload=reader.object_or_empty("payload"),
        )

    @classmethod
    def parse(cls, text: bytes) -> Self:
        return cls.from_json(strict_json.parse_object(text, bytes_max=limits.MESSAGE_BYTES_MAX))

    def to_json(self) -> JsonObject:
        return {
            "type": self.type,
            "request_id": self.request_id,
            "source_agent": self.source_agent,
            "target_agent": self.target_agent,
            "payload": self.payload,
        }

    def encode(self) -> bytes:
        text = strict_json.encode(self.to_json())
        if len(text) > limits.MESSAGE_BYTES_MAX:
            raise MessageTooLarge(
                f"{len(text)} bytes; a message holds at most {limits.MESSAGE_BYTES_MAX}"
            )
        return text


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """`{"skill", "args", "timeout_ms"}`, or 0.4's flat form with the arguments beside `skill`."""

    skill: str
    args: JsonObject = field(default_factory=dict)
    timeout_ms: int | None = None

    @classmethod
    def parse(cls, payload: JsonObject) -> Self:
        reader = ObjectReader(payload)
        beside = {key: payload[key] for key in payload.keys() - {"skill", "timeout_ms", "args"}}
        return cls(
            skill=reader.text("skill"),
            args=reader.object_or_empty("args") if reader.has("args") else beside,
            timeout_ms=reader.optional_integer("timeout_ms", 0, 2**53),
        )

    def encode(self) -> JsonObject:
        payload: JsonObject = {"skill": self.skill, "args": self.args}
        if self.timeout_ms is not None:
            payload["timeout_ms"] = self.timeout_ms
        return payload


@dataclass(frozen=True, slots=True)
class TaskResponse:
    """A result, or the error when `error` is not None. 0.4 sends both keys, one of them empty."""

    result: Any = None
    error: str | None = None
    code: str | None = None

    @classmethod
    def parse(cls, payload: JsonObject) -> Self:
        reader = ObjectReader(payload)
        error = reader.optional_text("error", limits.MESSAGE_BYTES_MAX)
        # An error without a word is still an error, but not beside a result.
        if error or (error is not None and "result" not in payload):
            return cls(error=error, code=reader.optional_text("code"))
        if "result" not in payload:
            raise BadRequest("result: missing")
        return cls(result=payload["result"])

    def encode(self) -> JsonObject:
        if self.error is None:
            return {"result": self.result}
        return {"error": self.error} | ({"code": self.code} if self.code else {})


@dataclass(frozen=True, slots=True)
class StreamChunk:
    """The payload of task_stream_chunk and agent_stream_chunk."""

    text: str
    done: bool = False

    @classmethod
    def parse(cls, payload: JsonObject) -> Self:
        reader = ObjectReader(payload)
        return cls(
            reader.text_or("text", "", limits.MESSAGE_BYTES_MAX), reader.boolean_or("done", False)
        )

    def encode(self) -> JsonObject:
        return {"text": self.text, "done": self.done}


@dataclass(frozen=True, slots=True)
class SkillQuery:
    skill: str

    @classmethod
    def parse(cls, payload: JsonObject) -> Self:
        return cls(ObjectReader(payload).text("skill"))

    def encode(self) -> JsonObject:
        return {"skill": self.skill}


@dataclass(frozen=True, slots=True)
class SkillResponse:
    available: bool
    description: str = ""

    @classmethod
    def parse(cls, payload: JsonObject) -> Self:
        reader = ObjectReader(payload)
        return cls(
            reader.boolean_or("available", False),
            reader.text_or("description", "", limits.MESSAGE_BYTES_MAX),
        )

    def encode(self) -> JsonObject:
        return {"available": self.available, "description": self.description}


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """`thinking`, `acting` or `idle`; other words are kept as they are."""

    status: str

    @classmethod
    def parse(cls, payload: JsonObject) -> Self:
        return cls(ObjectReader(payload).text("status"))

    def encode(self) -> JsonObject:
        return {"status": self.status}


@dataclass(frozen=True, slots=True)
class AgentPrompt:
    """`{"text", "session_id"}`; 0.4 sends `message` with `direct` or `broadcast`."""

    text: str
    session_id: str = ""
    broadcast: bool = False

    @classmethod
    def parse(cls, payload: JsonObject) -> Self:
        reader = ObjectReader(payload)
        key = "text" if reader.has("text") else "message"
        return cls(
            text=reader.text(key, limits.MESSAGE_BYTES_MAX),
            session_id=reader.text_or("session_id", ""),
            broadcast=reader.boolean_or("broadcast", False),
        )

    def encode(self) -> JsonObject:
        payload: JsonObject = {"text": self.text, "session_id": self.session_id}
        return payload | ({"broadcast": True} if self.broadcast else {})


@dataclass(frozen=True, slots=True)
class AgentResponse:
    text: str

    @classmethod
    def parse(cls, payload: JsonObject) -> Self:
        return cls(ObjectReader(payload).text_or("text", "", limits.MESSAGE_BYTES_MAX))

    def encode(self) -> JsonObject:
        return {"text": self.text}
