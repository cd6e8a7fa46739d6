"""A registry of a few lines: real HTTP, answers decided by the test."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

Request = tuple[str, str, Any]
# (method, path with query, body) to (status, body); bytes are sent as the whole answer.
Script = Callable[[str, str, Any], tuple[int, Any] | bytes]


class FakeRegistry:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.headers: list[dict[str, str]] = []
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def count(self, path: str) -> int:
        """Requests whose path starts so."""
        return sum(request[1].startswith(path) for request in self.requests)

    async def wait_for(self, wanted: Callable[[Request], bool]) -> Request:
        async with asyncio.timeout(10), self._changed:
            while True:
                for request in self.requests:
                    if wanted(request):
                        return request
                await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        except asyncio.IncompleteReadError:  # a client that thought better of it
            writer.close()
            return
        method, path, _ = head[0].split(" ")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = (method, path, json.loads(body) if body else None)
        async with self._changed:
            self.requests.append(request)
            self.headers.append(headers)
            self._changed.notify_all()
        answer = self.script(*request)
        if not isinstance(answer, bytes):
            text = json.dumps(answer[1]).encode()
            answer = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (answer[0], len(text), text)
        writer.write(answer)
        writer.close()
