"""A MeshClient whose calls block; an event loop in a thread of its own does the work."""

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from chatixia.asyncio.client import EventHandler
from chatixia.asyncio.client import MeshClient as AsyncMeshClient
from chatixia.protocol.strict_json import JsonObject

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    method: Callable[Concatenate[AsyncMeshClient, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["MeshClient", P], T]:
    """The method, for a thread that waits for what it returns."""

    @functools.wraps(method)
    def call(self: "MeshClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._wait(method(self._client, *args, **kwargs))

    return call


class MeshClient:
    """Connects on construction; close it, or use it with `with`. Safe to share among threads.

    `on_event` and a call's `on_chunk` run in the background thread and must not call this client.
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

    send = _blocking(AsyncMeshClient.send)
    broadcast = _blocking(AsyncMeshClient.broadcast)
    list_peers = _blocking(AsyncMeshClient.list_peers)
    connect = _blocking(AsyncMeshClient.connect)
    status = _blocking(AsyncMeshClient.status)
    request = _blocking(AsyncMeshClient.request)
    ping = _blocking(AsyncMeshClient.ping)
    call = _blocking(AsyncMeshClient.call)

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
        try:
            self._wait(self._client.close())
        finally:
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
