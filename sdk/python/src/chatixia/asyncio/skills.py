"""Skills: named functions that other agents may call."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from chatixia.errors import BadRequest, DeadlineExceeded, MeshError, SkillFailed, UnknownSkill
from chatixia.protocol.strict_json import JsonObject

_log = logging.getLogger("chatixia")

Emit = Callable[[str], Awaitable[None]]


async def _drop(_: str) -> None:
    """Tasks from the registry's queue have nobody who listens to a stream."""


@dataclass(frozen=True)
class Context:
    """What a skill knows of its caller. Every skill gets one as its first argument."""

    peer: str  # whose sidecar sent the task; proved by the link, empty for a queued task
    source_agent: str  # what the caller says its name is
    task_id: str
    send_chunk: Emit = field(default=_drop, repr=False)

    async def emit(self, text: str) -> None:
        """Streams a piece of the answer to the caller; waits while the link is full."""
        await self.send_chunk(text)


@dataclass(frozen=True)
class BlockingContext(Context):
    """The Context of a skill that is a plain function and runs in a thread."""

    loop: asyncio.AbstractEventLoop = field(default=None, repr=False)  # type: ignore[assignment]

    def emit(self, text: str) -> None:  # type: ignore[override]
        asyncio.run_coroutine_threadsafe(_as_coroutine(self.send_chunk(text)), self.loop).result()


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable


@dataclass(frozen=True, slots=True)
class Skill:
    name: str
    description: str
    handler: Callable[..., Any]


class SkillTable:
    """The skills of one agent, and the one place where they run."""

    def __init__(self) -> None:
        self._skills: dict[str, Skill] = {}

    def add(self, skill: Skill) -> None:
        if skill.name in self._skills:
            raise ValueError(f"there already is a skill {skill.name!r}")
        self._skills[skill.name] = skill

    def find(self, name: str) -> Skill | None:
        return self._skills.get(name)

    def names(self) -> list[str]:
        return list(self._skills)

    async def run(
        self, name: str, context: Context, args: JsonObject, timeout: float | None = None
    ) -> Any:
        """The skill's result. Raises a MeshError, whatever the skill raised."""
        skill = self._skills.get(name)
        if skill is None:
            raise UnknownSkill(f"there is no skill {name!r} here")
        try:
            inspect.signature(skill.handler).bind(context, **args)
        except TypeError as problem:
            raise BadRequest(f"{name}: {problem}") from None
        scope = asyncio.timeout(timeout)
        try:
            async with scope:
                return await _invoke(skill, context, args)
        except MeshError:
            raise
        except Exception as problem:
            if isinstance(problem, TimeoutError) and scope.expired():
                raise DeadlineExceeded(f"{name} did not end in time") from None
            _log.exception("skill %s failed", name)
            raise SkillFailed(f"{type(problem).__name__}: {problem}") from problem


async def _invoke(skill: Skill, context: Context, args: JsonObject) -> Any:
    if inspect.iscoroutinefunction(skill.handler):
        return await skill.handler(context, **args)
    blocking = BlockingContext(
        context.peer,
        context.source_agent,
        context.task_id,
        context.send_chunk,
        asyncio.get_running_loop(),
    )
    return await asyncio.to_thread(skill.handler, blocking, **args)
