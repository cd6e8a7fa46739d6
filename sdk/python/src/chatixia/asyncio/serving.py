"""The answering side of an agent: incoming messages become skill runs and answers."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from chatixia import limits
from chatixia.asyncio.client import MeshClient
from chatixia.asyncio.skills import Context, SkillTable
from chatixia.errors import MeshError, make_error
from chatixia.protocol import mesh
from chatixia.protocol.strict_json import JsonObject

_log = logging.getLogger("chatixia")

MessageHandler = Callable[[str, mesh.Message], Coroutine[Any, Any, None]]


class TaskSet:
    """Background work that ends with its owner, at most `count_max` at a time."""

    def __init__(self, count_max: int = limits.TASKS_MAX) -> None:
        self._count_max = count_max
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        return len(self._tasks) >= self._count_max

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("background work failed", exc_info=problem)

    async def cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Responder:
    """Answers ping, skill_query and task_request, and hands everything else to its handlers."""

    def __init__(self, agent_id: str, skills: SkillTable) -> None:
        self.handlers: dict[str, MessageHandler] = {}
        self._agent_id = agent_id
        self._skills = skills
        self._running = TaskSet()
        # Answers that need no work may always be sent, up to a bound of their own.
        self._replying = TaskSet(4 * limits.TASKS_MAX)

    async def stop(self) -> None:
        await self._running.cancel()
        await self._replying.cancel()

    def handle_message(self, client: MeshClient, peer: str, message: mesh.Message) -> None:
        try:
            self._dispatch(client, peer, message)
        except MeshError as problem:
            self._refuse(client, peer, message, problem)

    def _dispatch(self, client: MeshClient, peer: str, message: mesh.Message) -> None:
        match message.type:
            case mesh.PING:
                self._reply(client, peer, message, mesh.PONG, message.payload)
            case mesh.SKILL_QUERY:
                skill = self._skills.find(mesh.SkillQuery.parse(message.payload).skill)
                answer = mesh.SkillResponse(skill is not None, skill.description if skill else "")
                self._reply(client, peer, message, mesh.SKILL_RESPONSE, answer.encode())
            case mesh.TASK_REQUEST:
                task = mesh.TaskRequest.parse(message.payload)
                self._require_room()
                self._running.spawn(self._run_task(client, peer, message, task))
            case other if other in self.handlers:
                self._require_room()
                self._running.spawn(self.handlers[other](peer, message))

    def _require_room(self) -> None:
        if self._running.is_full:
            raise make_error("too_many_requests", "this agent is busy")

    async def _run_task(
        self, client: MeshClient, peer: str, message: mesh.Message, task: mesh.TaskRequest
    ) -> None:
        emitted = False

        async def emit(text: str, done: bool = False) -> None:
            nonlocal emitted
            emitted = True
            chunk = mesh.StreamChunk(text, done).encode()
            await client.send(peer, self._answer(message, mesh.TASK_STREAM_CHUNK, chunk))

        context = Context(peer, message.source_agent, message.request_id, emit)
        timeout = None if task.timeout_ms is None else task.timeout_ms / 1000
        try:
            result = await self._skills.run(task.skill, context, task.args, timeout)
            answer = self._answer(message, mesh.TASK_RESPONSE, mesh.TaskResponse(result).encode())
            answer.encode()  # a result that no message can hold is an error the caller hears of
        except MeshError as problem:
            answer = self._error(message, problem)
        try:
            if emitted:
                await emit("", done=True)
            await client.send(peer, answer)
        except MeshError as problem:
            _log.warning("an answer to %s was lost: %s", peer, problem)

    def _refuse(
        self, client: MeshClient, peer: str, message: mesh.Message, problem: MeshError
    ) -> None:
        if message.type == mesh.TASK_REQUEST:
            refusal = self._error(message, problem)
            self._reply(client, peer, message, refusal.type, refusal.payload)
        else:
            _log.warning("refused %s from %s: %s", message.type, peer, problem)

    def _reply(
        self, client: MeshClient, peer: str, message: mesh.Message, kind: str, payload: JsonObject
    ) -> None:
        if self._replying.is_full:
            _log.warning("%s asks faster than it reads; %s was not answered", peer, message.type)
            return
        self._replying.spawn(self._send(client, peer, self._answer(message, kind, payload)))

    async def _send(self, client: MeshClient, peer: str, answer: mesh.Message) -> None:
        try:
            await client.send(peer, answer)
        except MeshError as problem:
            _log.warning("an answer to %s was lost: %s", peer, problem)

    def _answer(self, message: mesh.Message, kind: str, payload: JsonObject) -> mesh.Message:
        return mesh.Message(kind, message.request_id, self._agent_id, message.source_agent, payload)

    def _error(self, message: mesh.Message, problem: MeshError) -> mesh.Message:
        response = mesh.TaskResponse(error=problem.message, code=problem.code)
        return self._answer(message, mesh.TASK_RESPONSE, response.encode())
