"""The mesh as a program sees it: one connection to a running sidecar."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final, Self

from chatixia.asyncio.connection import Connection
from chatixia.asyncio.exchange import Deadline, Exchange
from chatixia.asyncio.sidecar import SidecarProcess
from chatixia.errors import MeshError, SendBufferFull, SidecarBusy, SkillFailed, make_skill_error
from chatixia.protocol import ipc, mesh
from chatixia.protocol.strict_json import JsonObject

_FULL_WAIT_MIN: Final = 0.005
_FULL_WAIT_MAX: Final = 0.25

EventHandler = Callable[["MeshClient", ipc.EventBody], None]


class MeshClient:
    """Talks to the sidecar behind `socket_path`. Use it with `async with`, or open() and close().

    `on_event` gets every event that answers no request, in order, from inside the event loop.
    A dead sidecar fails everything that is under way with SidecarGone, and every later call.
    """

    def __init__(
        self, socket_path: str, on_event: EventHandler | None = None, agent_id: str = ""
    ) -> None:
        self.agent_id = agent_id
        self._socket_path = socket_path
        self._on_event = on_event
        self.sidecar: SidecarProcess | None = None  # when launch() made it
        self._connection = Connection(self._tell)

    @classmethod
    async def launch(
        cls,
        *,
        binary: str | None = None,
        socket_path: str | None = None,
        environment: Mapping[str, str] | None = None,
        on_event: EventHandler | None = None,
        agent_id: str = "",
    ) -> Self:
        """Starts a sidecar of its own, opens it, and ends it on close().

        It also ends with the thread that launched it, so that an agent that is killed leaves none.
        """
        sidecar = await SidecarProcess.start(
            binary=binary, socket_path=socket_path, environment=environment
        )
        client = cls(sidecar.socket_path, on_event, agent_id)
        client.sidecar = sidecar
        try:
            await sidecar.wait_until_ready(client.open)
        except BaseException:
            await sidecar.stop()
            raise
        return client

    async def open(self) -> None:
        pid = await self._connection.open(self._socket_path)
        if self.sidecar is not None and not self.sidecar.is_served_by(pid):
            await self._connection.close()
            raise SidecarBusy(f"another sidecar serves {self._socket_path}")

    async def close(self) -> None:
        await self._connection.close()
        if self.sidecar is not None:
            await self.sidecar.stop()

    async def __aenter__(self) -> Self:
        if not self.is_open:
            await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def is_open(self) -> bool:
        return self._connection.is_open

    @property
    def end(self) -> MeshError:
        """Why the connection is not open."""
        return self._connection.end

    async def wait_closed(self) -> None:
        """Returns when the sidecar is gone or close() was called."""
        await self._connection.wait_closed()

    def _tell(self, event: ipc.EventBody) -> None:
        if self._on_event is not None:
            self._on_event(self, event)

    # Commands.

    async def send(self, peer: str, message: mesh.Message, *, timeout: float = 30.0) -> None:
        """Returns once the message is in the link's send buffer; waits while that is full."""
        await self._send(peer, message, Deadline(timeout))

    async def _send(
        self, peer: str, message: mesh.Message, deadline: Deadline, request: Exchange | None = None
    ) -> None:
        wait = _FULL_WAIT_MIN
        while True:
            try:
                await self._connection.run(ipc.Send(peer, message), deadline, request)
                return
            except SendBufferFull:
                await deadline.sleep(wait, f"the link to {peer} took no more")
                wait = min(2 * wait, _FULL_WAIT_MAX)

    async def broadcast(self, message: mesh.Message, *, timeout: float = 30.0) -> None:
        """To every open link."""
        await self._connection.run(ipc.Broadcast(message), Deadline(timeout))

    async def list_peers(self, *, timeout: float = 30.0) -> list[str]:
        """The peers with an open link."""
        answer = await self._connection.run(ipc.ListPeers(), Deadline(timeout))
        return list(answer.peers) if isinstance(answer, ipc.PeerListEvent) else []

    async def connect(self, peer: str, *, timeout: float = 30.0) -> None:
        """Returns once the link is open, at once if it already is."""
        await self._connection.run(ipc.Connect(peer), Deadline(timeout))

    async def status(self, *, timeout: float = 30.0) -> JsonObject:
        """This sidecar, its registry connection, and how each link came about."""
        answer = await self._connection.run(ipc.Status(), Deadline(timeout))
        return answer.status if isinstance(answer, ipc.StatusEvent) else {}

    # Requests to a peer's agent.

    async def exchange(
        self, peer: str, message: mesh.Message, *, timeout: float = 30.0
    ) -> AsyncGenerator[mesh.Message, None]:
        """Sends a request and yields what answers it: stream chunks, then the one answer."""
        deadline = Deadline(timeout)
        request = replace(
            message,
            request_id=message.request_id or uuid.uuid4().hex,
            source_agent=message.source_agent or self.agent_id,
        )
        with self._connection.expect(peer, request.request_id) as exchange:
            await self._send(peer, request, deadline, exchange)
            while True:
                answer = await exchange.next(deadline, f"{peer} did not answer in time")
                yield answer
                if answer.type not in mesh.STREAM_CHUNKS:
                    return

    async def request(
        self, peer: str, message: mesh.Message, *, timeout: float = 30.0
    ) -> mesh.Message:
        """The answer to a request; stream chunks on the way are dropped."""
        async with aclosing(self.exchange(peer, message, timeout=timeout)) as answers:
            async for answer in answers:
                if answer.type not in mesh.STREAM_CHUNKS:
                    return answer
        raise AssertionError("an exchange ends with an answer or an exception")

    async def ping(self, peer: str, *, timeout: float = 10.0) -> float:
        """The time to the peer's agent and back, in seconds."""
        started = asyncio.get_running_loop().time()
        await self.request(peer, mesh.Message(mesh.PING), timeout=timeout)
        return asyncio.get_running_loop().time() - started

    async def call(
        self,
        peer: str,
        skill: str,
        args: JsonObject | None = None,
        *,
        timeout: float = 30.0,
        on_chunk: Callable[[str], None] | None = None,
    ) -> Any:
        """Runs a skill of the peer's agent and returns its result."""
        async with aclosing(self._task(peer, skill, args, timeout)) as answers:
            async for answer in answers:
                if answer.type in mesh.STREAM_CHUNKS:
                    text = mesh.StreamChunk.parse(answer.payload).text
                    if on_chunk is not None and text:
                        on_chunk(text)
                else:
                    return _result(answer)

    async def stream(
        self, peer: str, skill: str, args: JsonObject | None = None, *, timeout: float = 30.0
    ) -> AsyncGenerator[str, None]:
        """Runs a skill and yields the texts it emits; raises if it fails."""
        async with aclosing(self._task(peer, skill, args, timeout)) as answers:
            async for answer in answers:
                if answer.type not in mesh.STREAM_CHUNKS:
                    _result(answer)
                elif text := mesh.StreamChunk.parse(answer.payload).text:
                    yield text

    def _task(
        self, peer: str, skill: str, args: JsonObject | None, timeout: float
    ) -> AsyncGenerator[mesh.Message, None]:
        task = mesh.TaskRequest(skill, args or {}, timeout_ms=int(timeout * 1000))
        return self.exchange(
            peer, mesh.Message(mesh.TASK_REQUEST, payload=task.encode()), timeout=timeout
        )


def _result(answer: mesh.Message) -> Any:
    response = mesh.TaskResponse.parse(answer.payload)
    if response.error is not None:
        raise make_skill_error(response.code or SkillFailed.default_code, response.error)
    return response.result
