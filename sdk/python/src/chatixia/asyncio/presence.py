"""An agent's place in the registry: its record, its heartbeat, and the queued tasks it gets."""

import asyncio
import contextlib
import logging
import random
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Final

from chatixia.asyncio.exchange import Deadline
from chatixia.asyncio.registry import RegistryClient
from chatixia.asyncio.serving import TaskSet
from chatixia.asyncio.skills import Context, SkillTable
from chatixia.errors import DeadlineExceeded, MeshError, RegistryError, make_error
from chatixia.protocol.strict_json import JsonObject

_log = logging.getLogger("chatixia")

_RETRY_MIN: Final = 0.2
_RETRY_MAX: Final = 10.0
_REPORT_TRIES: Final = 8

# Queued tasks that run at a time; peers, who do not wait, have their own share.
_RUNNING_MAX: Final = 16
# Those, and what waits for its turn: the registry assigns without asking.
_QUEUED_MAX: Final = 1024


class Backoff:
    """Waits that double up to a bound, each drawn anew so that agents do not return in step."""

    def __init__(self, low: float = _RETRY_MIN, high: float = _RETRY_MAX) -> None:
        self._low = low
        self._high = high
        self._next = low

    async def sleep(self) -> None:
        await asyncio.sleep(random.uniform(self._low, self._next + self._low))
        self._next = min(2 * self._next, self._high)

    def reset(self) -> None:
        self._next = self._low


class Presence:
    """Registers, beats, and runs what the registry's queue assigns."""

    def __init__(
        self,
        agent_id: str,
        registry: RegistryClient,
        skills: SkillTable,
        heartbeat_seconds: float,
        peer_id: Callable[[], Awaitable[str]],
    ) -> None:
        self._agent_id = agent_id
        self._registry = registry
        self._skills = skills
        self._heartbeat_seconds = heartbeat_seconds
        self._peer_id = peer_id
        self._tasks = TaskSet(_QUEUED_MAX)
        self._turns = asyncio.Semaphore(_RUNNING_MAX)
        self._forgotten = asyncio.Event()
        self._started_at = time.monotonic()

    async def run(self) -> None:
        """Until cancelled. A registry that is away is tried again; peers are not concerned."""
        backoff = Backoff()
        registered_as: str | None = None
        while True:
            try:
                peer_id = await self._peer_id()
                if registered_as != peer_id or self._forgotten.is_set():
                    self._forgotten.clear()
                    await self._registry.register(self._record(peer_id))
                    registered_as = peer_id
                    _log.info("registered %s as peer %s", self._agent_id, peer_id)
                for task in await self._registry.heartbeat(self._beat(peer_id)):
                    await self._take_task(task)
                backoff.reset()
                await self._sleep_until_forgotten()
            except MeshError as problem:
                _log.warning("the registry does not know this agent now: %s", problem)
                # A registry that lost its state learns the whole record again.
                registered_as = None
                await backoff.sleep()

    def register_again(self) -> None:
        """The registry may have forgotten this agent: tells it again."""
        self._forgotten.set()

    async def stop(self) -> None:
        await self._tasks.cancel()

    async def _sleep_until_forgotten(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._heartbeat_seconds):
                await self._forgotten.wait()

    def _record(self, peer_id: str) -> JsonObject:
        return {
            "agent_id": self._agent_id,
            "hostname": socket.gethostname(),
            "sidecar_peer_id": peer_id,
            "capabilities": {
                "skills": self._skills.names(),
                "mcp_servers": [],
                "goals_count": 0,
                "mode": "interactive",
            },
            "status": "active",
            "mode": "interactive",
        }

    def _beat(self, peer_id: str) -> JsonObject:
        names = self._skills.names()
        return {
            "agent_id": self._agent_id,
            "hostname": socket.gethostname(),
            "status": "active",
            "mode": "interactive",
            "skills_count": len(names),
            "skill_names": names,
            "goals_count": 0,
            "uptime_seconds": round(time.monotonic() - self._started_at, 3),
            "sidecar_peer_id": peer_id,
        }

    async def _take_task(self, task: JsonObject) -> None:
        if self._tasks.is_full:
            # Until that is said there is no heartbeat, which would bring more.
            await self._fail_task(task, make_error("too_many_requests", "this agent is busy"))
            return
        ttl = task.get("ttl")
        # The clocks of two hosts may differ, so the whole ttl is granted; the registry decides.
        deadline = Deadline(ttl) if isinstance(ttl, int | float) and ttl > 0 else None
        self._tasks.spawn(self._run_task(task, deadline))

    async def _run_task(self, task: JsonObject, deadline: Deadline | None) -> None:
        task_id = _text(task, "id")
        context = Context("", _text(task, "source_agent_id"), task_id)
        args = task.get("payload")
        try:
            async with self._turns:
                left = deadline.left() if deadline else None
                if left == 0:
                    raise DeadlineExceeded("its turn came too late")
                result = await self._skills.run(
                    _text(task, "skill"), context, args if isinstance(args, dict) else {}, left
                )
        except MeshError as problem:
            await self._fail_task(task, problem)
        else:
            await self._report(lambda: self._registry.complete_task(task_id, result))

    async def _fail_task(self, task: JsonObject, problem: MeshError) -> None:
        await self._report(lambda: self._registry.fail_task(_text(task, "id"), str(problem)))

    async def _report(self, update: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff()
        for _ in range(_REPORT_TRIES):
            try:
                await update()
                return
            except RegistryError as problem:
                _log.warning("a task's outcome was not taken: %s", problem)
                if problem.status in range(400, 500) and problem.status != 429:
                    return
            await backoff.sleep()


def _text(task: JsonObject, key: str) -> str:
    return str(task.get(key, ""))
