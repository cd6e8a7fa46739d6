"""The registry's HTTP API, as far as an agent needs it."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from chatixia.asyncio import http
from chatixia.errors import RegistryError
from chatixia.protocol.strict_json import JsonObject

_CODES: Final = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "too_large",
    429: "too_many_requests",
}


@dataclass(frozen=True, slots=True)
class RegistryClient:
    """`key` is an API key (`ak_...`), or a device token (`dt_...`) for a registry that has pairing.

    `chatixia-registry` makes API keys only.
    """

    url: str
    key: str = ""
    timeout: float = 10.0

    async def register(self, record: JsonObject) -> None:
        await self._call("POST", "/api/registry/agents", record)

    async def unregister(self, agent_id: str) -> None:
        await self._call("DELETE", f"/api/registry/agents/{quote(agent_id, safe='')}")

    async def agents(self) -> list[JsonObject]:
        records = await self._call("GET", "/api/registry/agents")
        return records if isinstance(records, list) else []

    async def agent(self, agent_id: str) -> JsonObject:
        return await self._object("GET", f"/api/registry/agents/{quote(agent_id, safe='')}")

    async def route(self, skill: str) -> JsonObject:
        """The best active agent that has the skill."""
        return await self._object("GET", f"/api/registry/route?skill={quote(skill, safe='')}")

    async def heartbeat(self, beat: JsonObject) -> list[JsonObject]:
        """The tasks that are assigned to this agent from now on."""
        answer = await self._object("POST", "/api/hub/heartbeat", beat)
        tasks = answer.get("pending_tasks")
        return [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []

    async def submit_task(self, task: JsonObject) -> str:
        answer = await self._object("POST", "/api/hub/tasks", task)
        return str(answer.get("task_id", ""))

    async def task(self, task_id: str) -> JsonObject:
        return await self._object("GET", f"/api/hub/tasks/{quote(task_id, safe='')}")

    async def complete_task(self, task_id: str, result: Any) -> None:
        await self._update(task_id, {"state": "completed", "result": result})

    async def fail_task(self, task_id: str, error: str) -> None:
        await self._update(task_id, {"state": "failed", "error": error})

    async def _update(self, task_id: str, update: JsonObject) -> None:
        await self._call("POST", f"/api/hub/tasks/{quote(task_id, safe='')}", update)

    async def _object(self, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        answer = await self._call(method, path, body)
        if not isinstance(answer, dict):
            raise RegistryError(f"{path}: the answer is not an object")
        return answer

    async def _call(self, method: str, path: str, body: JsonObject | None = None) -> Any:
        answer = await http.fetch(
            method,
            self.url.rstrip("/") + path,
            body=body,
            headers=self._credentials(),
            timeout=self.timeout,
        )
        error = _error_text(answer.body)
        if answer.status >= 400 or (error and "id" not in answer.body):
            raise RegistryError(
                error or f"status {answer.status}", status=answer.status, code=_code(answer)
            )
        return answer.body

    def _credentials(self) -> dict[str, str]:
        if not self.key:
            return {}
        return {"X-Device-Token" if self.key.startswith("dt_") else "X-API-Key": self.key}


def _error_text(body: Any) -> str:
    # A task has an `error` of its own; a refusal has no `id`.
    return str(body.get("error") or "") if isinstance(body, dict) else ""


def _code(answer: http.Answer) -> str:
    if isinstance(answer.body, dict) and isinstance(answer.body.get("code"), str):
        return str(answer.body["code"])
    # 0.4 answers "not found" with status 200.
    return _CODES.get(answer.status, "not_found" if answer.status < 400 else "unavailable")
