"""An agent: skills that others call, and a way to call theirs."""

import asyncio
import functools
import logging
import signal
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from chatixia.asyncio import delegation
from chatixia.asyncio.client import MeshClient
from chatixia.asyncio.presence import Backoff, Presence
from chatixia.asyncio.registry import RegistryClient
from chatixia.asyncio.serving import MessageHandler, Responder, TaskSet
from chatixia.asyncio.skills import Skill, SkillTable
from chatixia.errors import MeshError, RegistryError, SidecarGone
from chatixia.protocol import ipc
from chatixia.protocol.strict_json import JsonObject

_log = logging.getLogger("chatixia")

Handler = TypeVar("Handler", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
# A sidecar that lived this long was no part of a row of failures.
_RAN_WELL_AFTER: Final = 5.0


def _by_client(
    method: Callable[Concatenate[MeshClient, P], R],
) -> Callable[Concatenate["Agent", P], R]:
    """The method, of the client that the agent has at the time."""

    @functools.wraps(method)
    def call(self: "Agent", /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(self.client, *args, **kwargs)

    return call


class Agent:
    """Owns a sidecar, or uses the one behind `socket_path`, and keeps a place in the registry.

    Without a `registry` it serves its peers and is in no directory.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        registry: str = "",
        key: str = "",
        sidecar_binary: str | None = None,
        socket_path: str | None = None,
        attach: bool = False,
        heartbeat_seconds: float = 10.0,
        sidecar_environment: Mapping[str, str] | None = None,
    ) -> None:
        """`attach` connects to a sidecar that somebody else runs behind `socket_path`."""
        if attach and not socket_path:
            raise ValueError("attach needs a socket_path")
        self.agent_id = agent_id
        self.registry = RegistryClient(registry, key) if registry else None
        self._sidecar_binary = sidecar_binary
        self._socket_path = socket_path
        self._attach = attach
        self._environment = _sidecar_environment(registry, key) | dict(sidecar_environment or {})
        self._skills = SkillTable()
        self._responder = Responder(agent_id, self._skills)
        self._presence = (
            Presence(agent_id, self.registry, self._skills, heartbeat_seconds, self.peer_id)
            if self.registry
            else None
        )
        self._loops = TaskSet()
        self._client: MeshClient | None = None

    def skill(self, name: str, description: str = "") -> Callable[[Handler], Handler]:
        """Makes a function a skill: `async def f(ctx, **args)`, or a plain one, run in a thread."""

        def add(handler: Handler) -> Handler:
            text = description or (handler.__doc__ or "").strip().partition("\n")[0]
            self._skills.add(Skill(name, text, handler))
            return handler

        return add

    def on(self, message_type: str) -> Callable[[MessageHandler], MessageHandler]:
        """Handles messages of a type that the agent does not answer by itself."""

        def add(handler: MessageHandler) -> MessageHandler:
            self._responder.handlers[message_type] = handler
            return handler

        return add

    # Calling others.

    call = _by_client(MeshClient.call)
    stream = _by_client(MeshClient.stream)

    async def delegate(
        self,
        skill: str,
        args: JsonObject | None = None,
        *,
        target: str | None = None,
        timeout: float = 60.0,
    ) -> Any:
        """Runs a skill on the agent `target`, or on the best one that has it.

        Over the mesh when its peer can be reached, else through the registry's task queue.
        """
        if self.registry is None:
            raise RegistryError("delegation needs a registry")
        return await delegation.delegate(
            self.client, self.registry, skill, args or {}, target=target, timeout=timeout
        )

    # Life.

    def run(self) -> None:
        """Serves until SIGINT or SIGTERM. A second one ends the process, whatever still runs."""
        handlers = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
        try:
            asyncio.run(self._run_until_signal())
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    async def _run_until_signal(self) -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, stopped.set)
        async with self:
            await stopped.wait()
            # asyncio.run() waits for the thread of a plain skill, perhaps for ever.
            for number in _STOP_SIGNALS:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)

    async def start(self) -> None:
        """Returns once the sidecar is there; the registry may come later."""
        self._client = await self._open_client()
        self._loops.spawn(self._keep_client())
        if self._presence is not None:
            self._loops.spawn(self._presence.run())

    async def stop(self) -> None:
        await self._loops.cancel()
        if self._presence is not None:
            await self._presence.stop()
        await self._responder.stop()
        if self._client is not None:
            await self._client.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def client(self) -> MeshClient:
        """The connection to the sidecar; another object after a sidecar was replaced."""
        if self._client is None:
            raise SidecarGone("the agent was not started")
        return self._client

    async def peer_id(self) -> str:
        """What the mesh calls this agent's sidecar; waits until the sidecar knows."""
        backoff = Backoff(high=1.0)
        while not (name := str((await self.client.status()).get("self") or "")):
            await backoff.sleep()
        return name

    async def _open_client(self) -> MeshClient:
        if self._attach and self._socket_path:
            client = MeshClient(self._socket_path, self._handle_event, self.agent_id)
            await client.open()
            return client
        return await MeshClient.launch(
            binary=self._sidecar_binary,
            socket_path=self._socket_path,
            environment=self._environment,
            on_event=self._handle_event,
            agent_id=self.agent_id,
        )

    async def _keep_client(self) -> None:
        """A sidecar that died is replaced, or awaited when it is not ours to start."""
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        while True:
            opened_at = loop.time()
            await self.client.wait_closed()
            _log.warning("starting over without a sidecar: %s", self.client.end)
            if loop.time() - opened_at >= _RAN_WELL_AFTER:
                backoff.reset()
            await self.client.close()
            while not self.client.is_open:
                await backoff.sleep()
                try:
                    self._client = await self._open_client()
                except MeshError as problem:
                    _log.warning("no sidecar yet: %s", problem)

    def _handle_event(self, client: MeshClient, event: ipc.EventBody) -> None:
        match event:
            case ipc.MessageEvent(peer, message):
                self._responder.handle_message(client, peer, message)
            case ipc.PeerConnected(peer):
                _log.info("peer %s connected", peer)
            case ipc.PeerDisconnected(peer, reason, lost):
                _log.info("peer %s disconnected: %s", peer, reason)
                if lost:
                    _log.warning("%s may have missed the last %d bytes for it", peer, lost)
            case ipc.RegistryConnected():
                if self._presence is not None:
                    self._presence.register_again()
            case ipc.ErrorEvent():
                _log.warning("the sidecar reports %s", event.to_error())


def _sidecar_environment(registry: str, key: str) -> dict[str, str]:
    """What a sidecar needs to reach the registry, in the words of its own settings."""
    if not registry:
        return {}
    base = registry.rstrip("/")
    scheme, _, rest = base.partition("://")
    settings = {
        "SIGNALING_URL": f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws",
        "TOKEN_URL": f"{base}/api/token",
    }
    return settings | ({"API_KEY": key} if key else {})
