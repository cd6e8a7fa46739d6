"""A sidecar made of a few lines, so that tests decide every byte it says."""

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

Command = dict[str, Any]
# Answers one command; what it returns is sent as lines, `ok` is sent when it returns nothing.
Script = Callable[[Command], list[dict[str, Any]] | None]


def ok(command: Command) -> dict[str, Any]:
    return {"type": "ok", "id": command["id"], "payload": {}}


def error(command: Command, code: str) -> dict[str, Any]:
    payload = {"code": code, "message": f"about {code}", "hint": "a hint"}
    return {"type": "error", "id": command["id"], "payload": payload}


def message_event(peer: str, kind: str, request_id: str, payload: Any) -> dict[str, Any]:
    message = {"type": kind, "request_id": request_id, "payload": payload}
    return {"type": "message", "payload": {"from_peer": peer, "message": message}}


class FakeSidecar:
    """Use it with `async with`; one agent at a time."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or (lambda command: None)
        self.commands: list[Command] = []
        self._directory = tempfile.mkdtemp()
        self.path = str(Path(self._directory) / "sidecar.sock")
        self._writer: asyncio.StreamWriter | None = None
        self._connections = 0
        self.hung_up = asyncio.Event()  # by an agent
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path, limit=1 << 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.die()
        await self._server.wait_closed()
        shutil.rmtree(self._directory)

    def die(self) -> None:
        self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def say(self, *lines: dict[str, Any]) -> None:
        self.say_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def say_bytes(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)

    async def wait_connected(self, times: int = 1) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self._connections >= times)

    async def wait_for(self, wanted: Callable[[Command], bool]) -> Command:
        """The first command, old or new, that fits."""
        async with asyncio.timeout(10), self._changed:
            while True:
                for command in self.commands:
                    if wanted(command):
                        return command
                await self._changed.wait()

    async def wait_for_message(self, kind: str) -> dict[str, Any]:
        """The first mesh message of a type that the agent sent."""
        command = await self.wait_for(
            lambda c: c["type"] == "send" and c["payload"]["message"]["type"] == kind
        )
        message: dict[str, Any] = command["payload"]["message"]
        return message

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._changed:
            self._writer = writer
            self._connections += 1
            self._changed.notify_all()
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                command = json.loads(line)
                async with self._changed:
                    self.commands.append(command)
                    self._changed.notify_all()
                answer = self.script(command)
                self.say(*([ok(command)] if answer is None else answer))
        self.hung_up.set()
        writer.close()


def answering(kind: str, payload: Any, peer: str = "bob") -> Script:
    """Accepts every command, and answers each request that is sent with one message."""

    def script(command: Command) -> list[dict[str, Any]] | None:
        if command["type"] != "send":
            return None
        request_id = command["payload"]["message"]["request_id"]
        return [ok(command), message_event(peer, kind, request_id, payload)]

    return script
