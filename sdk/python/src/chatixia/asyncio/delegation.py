"""Where a delegated task runs: over the mesh, or through the registry's queue; decided here."""

import logging
from typing import Any, Final

from chatixia.asyncio.client import MeshClient
from chatixia.asyncio.exchange import Deadline
from chatixia.asyncio.registry import RegistryClient
from chatixia.errors import (
    DeadlineExceeded,
    RegistryError,
    SidecarGone,
    SkillFailed,
    Unreachable,
)
from chatixia.protocol.strict_json import JsonObject

_log = logging.getLogger("chatixia")

# The longest a link may take before the queue is the better way.
_CONNECT_WITHIN: Final = 10.0
_POLL_MIN: Final = 0.1
_POLL_MAX: Final = 1.0


async def delegate(
    client: MeshClient,
    registry: RegistryClient,
    skill: str,
    args: JsonObject,
    *,
    target: str | None,
    timeout: float,
) -> Any:
    """The skill's result. Only a task that was certainly not delivered goes to the queue."""
    deadline = Deadline(timeout)
    peer = await _find_peer(registry, skill, target)
    if peer and await _reach(client, peer, deadline):
        try:
            return await client.call(peer, skill, args, timeout=deadline.left())
        except Unreachable as problem:
            _log.info("%s went away (%s); the task goes to the queue", peer, problem)
    return await _run_by_queue(client.agent_id, registry, skill, args, target, deadline)


async def _find_peer(registry: RegistryClient, skill: str, target: str | None) -> str:
    try:
        record = await (registry.agent(target) if target else registry.route(skill))
    except RegistryError as problem:
        if problem.code != "not_found":
            raise
        return ""  # nobody yet; the queue keeps the task for who comes
    return str(record.get("sidecar_peer_id") or "")


async def _reach(client: MeshClient, peer: str, deadline: Deadline) -> bool:
    try:
        await client.connect(peer, timeout=min(_CONNECT_WITHIN, deadline.left() / 2))
    except (Unreachable, SidecarGone, DeadlineExceeded) as problem:
        _log.info("%s is not reachable (%s); the task goes to the queue", peer, problem)
        return False
    return True


async def _run_by_queue(
    agent_id: str,
    registry: RegistryClient,
    skill: str,
    args: JsonObject,
    target: str | None,
    deadline: Deadline,
) -> Any:
    task_id = await registry.submit_task(
        {
            "skill": skill,
            "target_agent_id": target or "",
            "source_agent_id": agent_id,
            "payload": args,
            "ttl": max(1, round(deadline.left())),
        }
    )
    wait = _POLL_MIN
    while True:
        await deadline.sleep(wait, f"nobody completed task {task_id} in time")
        try:
            task = await registry.task(task_id)
        except RegistryError as problem:
            # A registry that restarts comes back with its tasks; a refusal is final.
            if problem.status != 0 and problem.status < 500:
                raise
            task = {}
        if task.get("state") == "completed":
            return task.get("result")
        if task.get("state") == "failed":
            raise SkillFailed(str(task.get("error") or "the task failed"))
        wait = min(1.5 * wait, _POLL_MAX)
