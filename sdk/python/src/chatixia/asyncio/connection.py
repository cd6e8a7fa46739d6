"""The Unix socket to a sidecar: lines out, lines in, and who waits for which answer."""

import asyncio
import contextlib
import copy
import itertools
import logging
import os
import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from chatixia.asyncio.exchange import Deadline, Exchange
from chatixia.errors import MeshError, PeerLost, SidecarBusy, SidecarGone
from chatixia.protocol import ipc
from chatixia.protocol.lines import LineDecoder, LineTooLong
from chatixia.protocol.pending import PendingRequests

_log = logging.getLogger("chatixia")

_READ_BYTES: Final = 64 * 1024


@dataclass(slots=True)
class _Command:
    """A command that waits for `ok` or `error`, and what was answered on the way."""

    done: asyncio.Future[None]
    request: Exchange | None  # that the command sends
    answer: ipc.EventBody | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who serves a Unix socket, as the kernel tells."""

    ROOT: ClassVar = 0

    pid: int
    uid: int

    @classmethod
    def of_server(cls, connected: socket.socket) -> Self:
        layout = struct.Struct("3i")
        pid, uid, _ = layout.unpack(
            connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, layout.size)
        )
        return cls(pid, uid)

    @property
    def is_trusted(self) -> bool:
        return self.uid in (os.geteuid(), self.ROOT)


class Connection:
    """One life of a socket. When it ends, everything that waits on it fails at once."""

    def __init__(self, on_event: Callable[[ipc.EventBody], None]) -> None:
        self._on_event = on_event
        # A sidecar may still owe answers to an agent that was here before.
        self._id_prefix = secrets.token_hex(4)
        self._ids = itertools.count(1)
        self._commands: dict[str, _Command] = {}
        self._requests: PendingRequests[Exchange] = PendingRequests()
        self._turn = asyncio.Lock()
        self._end: MeshError = SidecarGone()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, socket_path: str) -> int:
        """The pid of the process that serves the socket; only this user or root may."""
        try:
            reader, self._writer = await asyncio.open_unix_connection(socket_path)
        except OSError as problem:
            raise SidecarGone(
                f"no sidecar behind {socket_path}: {problem.strerror or problem}",
                hint="start the sidecar first, or let MeshClient.launch() do it",
            ) from None
        server = Credentials.of_server(self._writer.get_extra_info("socket"))
        if not server.is_trusted:
            # Whoever comes first may bind a path below /tmp.
            self._writer.close()
            raise SidecarGone(f"{socket_path} is served by another user")
        self._reading = asyncio.create_task(self._read_loop(reader), name="chatixia-read")
        # No `finally` in the task: one that is cancelled before its first step never gets there.
        self._reading.add_done_callback(lambda _: self._fail_everything())
        return server.pid

    @property
    def is_open(self) -> bool:
        return self._reading is not None and not self._reading.done()

    @property
    def end(self) -> MeshError:
        """Why it is not open; a new object each time, because raising one writes into it."""
        return copy.copy(self._end)

    async def wait_closed(self) -> None:
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self.wait_closed()

    async def run(
        self, command: ipc.Command, deadline: Deadline, request: Exchange | None = None
    ) -> ipc.EventBody | None:
        """Returns at the command's `ok` what was answered before it, if anything was."""
        if self._writer is None or not self.is_open:
            raise self.end
        command_id = f"{self._id_prefix}-{next(self._ids)}"
        line = command.encode(command_id)
        pending = _Command(asyncio.get_running_loop().create_future(), request)
        self._commands[command_id] = pending
        try:
            async with deadline.limit("the sidecar did not answer in time"):
                # A closed socket is noticed, and reported to everyone, by the reader.
                async with self._turn:
                    with contextlib.suppress(ConnectionError):
                        await self._writer.drain()
                        self._writer.write(line)
                await pending.done
        finally:
            del self._commands[command_id]
        return pending.answer

    @contextlib.contextmanager
    def expect(self, peer: str, request_id: str) -> Iterator[Exchange]:
        """Inside, what `peer` answers to `request_id` goes to the Exchange."""
        exchange = Exchange()
        self._requests.add(request_id, peer, exchange)
        try:
            yield exchange
        finally:
            self._requests.remove(request_id)

    async def _read_loop(self, reader: asyncio.StreamReader) -> None:
        lines = LineDecoder()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_READ_BYTES):
                for line in lines.feed(data):
                    self._handle_line(line)

    def _handle_line(self, line: bytes | LineTooLong) -> None:
        if isinstance(line, LineTooLong):
            _log.warning("dropped a line of more than %d bytes", line.bytes_max)
            return
        try:
            event = ipc.parse_event(line)
        except MeshError as problem:
            _log.warning("dropped a malformed line: %s", problem)
            return
        if event.id is not None:
            self._handle_answer(event.id, event.body)
        elif not self._handle_response(event.body, len(line)):
            self._tell(event.body)

    def _handle_answer(self, command_id: str, body: ipc.EventBody) -> None:
        command = self._commands.get(command_id)
        if command is None or command.done.done():
            return  # its deadline passed
        match body:
            case ipc.Ok():
                # Here, because what happens to the link may stand in the next line.
                if command.request is not None:
                    command.request.is_sent = True
                command.done.set_result(None)
            case ipc.ErrorEvent():
                command.done.set_exception(body.to_error())
            case _:
                command.answer = body

    def _handle_response(self, body: ipc.EventBody, size: int) -> bool:
        if isinstance(body, ipc.MessageEvent):
            exchange = self._requests.match(body.from_peer, body.message)
            if exchange is not None:
                exchange.handle(body.message, size)
                return True
        return False

    def _tell(self, body: ipc.EventBody) -> None:
        match body:
            case ipc.PeerDisconnected(peer, reason):
                for exchange in self._requests.take_peer(peer, lambda exchange: exchange.is_sent):
                    exchange.fail(PeerLost(reason or "the peer left", target_peer=peer))
            case ipc.ErrorEvent(code=SidecarBusy.default_code):
                self._end = body.to_error()  # the sidecar closes the socket now
        try:
            self._on_event(body)
        except Exception:
            _log.exception("an event handler failed")

    def _fail_everything(self) -> None:
        if self._writer is not None:
            self._writer.close()
        for command in self._commands.values():
            if not command.done.done():
                command.done.set_exception(self.end)
        for exchange in self._requests.take_all():
            exchange.fail(self.end)
