"""A MeshClient whose calls block; an event loop in a thread of its own does the work."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Self, TypeVar

from chatixia.asyncio.client import EventHandler
from chatixia.asyncio.client import MeshClient as AsyncMeshClient
from chatixia.protocol.mesh import Message
from chatixia.protocol.strict_json import JsonObject

T = TypeVar("T")


class MeshClient:
    """Connects on construction; close it, or use it with `with`. Safe to share among threads.

    `on_event` runs in the background thread and must not call this client.
    """

    def __init__(
        self,
        socket_path: str | None = None,
        *,
        launch: bool = False,
        binary: str | None = None,
        environment: Mapping[str, str] | None = None,
        on_event: EventHandler | None = None,
        agent_id: str = "",
    ) -> None:
        """`launch` starts a sidecar of its own; else one must run behind `socket_path`."""
        if not launch and not socket_path:
            raise ValueError("a client needs a socket_path, or launch=True")

        async def connect() -> AsyncMeshClient:
            if launch:
                return await AsyncMeshClient.launch(
                    binary=binary,
                    socket_path=socket_path,
                    environment=environment,
                    on_event=on_event,
                    agent_id=agent_id,
                )
            client = AsyncMeshClient(socket_path or "", on_event, agent_id)
            await client.open()
            return client

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="chatixia-mesh", daemon=True
        )
        self._thread.start()
        try:
            self._client = self._wait(connect())
        except BaseException:
            self._stop_loop()
            raise

    def send(self, peer: str, message: Message, *, timeout: float = 30.0) -> None:
        """Returns once the message is in the link's send buffer; waits while that is full."""
        self._wait(self._client.send(peer, message, timeout=timeout))

    def broadcast(self, message: Message, *, timeout: float = 30.0) -> None:
        """To every open link."""
        self._wait(self._client.broadcast(message, timeout=timeout))

    def list_peers(self, *, timeout: float = 30.0) -> list[str]:
        """The peers with an open link."""
        return self._wait(self._client.list_peers(timeout=timeout))

    def connect(self, peer: str, *, timeout: float = 30.0) -> None:
        """Returns once the link is open, at once if it already is."""
        self._wait(self._client.connect(peer, timeout=timeout))

    def status(self, *, timeout: float = 30.0) -> JsonObject:
        """This sidecar, its registry connection, and how each link came about."""
        return self._wait(self._client.status(timeout=timeout))

    def request(self, peer: str, message: Message, *, timeout: float = 30.0) -> Message:
        """The answer to a request; stream chunks on the way are dropped."""
        return self._wait(self._client.request(peer, message, timeout=timeout))

    def ping(self, peer: str, *, timeout: float = 10.0) -> float:
        """The time to the peer's agent and back, in seconds."""
        return self._wait(self._client.ping(peer, timeout=timeout))

    def call(
        self,
        peer: str,
        skill: str,
        args: JsonObject | None = None,
        *,
        timeout: float = 30.0,
        on_chunk: Callable[[str], None] | None = None,
    ) -> Any:
        """Runs a skill of the peer's agent; `on_chunk` runs in the background thread."""
        return self._wait(self._client.call(peer, skill, args, timeout=timeout, on_chunk=on_chunk))

    def stream(
        self, peer: str, skill: str, args: JsonObject | None = None, *, timeout: float = 30.0
    ) -> Iterator[str]:
        """Runs a skill and yields the texts it emits; raises if it fails."""
        texts = self._client.stream(peer, skill, args, timeout=timeout)
        try:
            while (text := self._wait(_next_or_none(texts))) is not None:
                yield text
        finally:
            self._wait(texts.aclose())

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._wait(self._client.close())
        self._stop_loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("an event handler must not call the client it belongs to")
        pending = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return pending.result()
        except BaseException:
            pending.cancel()
            raise

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next_or_none(texts: Any) -> str | None:
    return await anext(texts, None)
