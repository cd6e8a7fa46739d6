"""The registry's side of an agent: HTTP, presence, queued tasks, and where a task is run."""

import asyncio
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

from fake_registry import FakeRegistry, Script
from support import FakeSidecar, error, message_event, ok
from test_agent import make_agent

from chatixia import Agent, Context, RegistryClient
from chatixia.asyncio import http
from chatixia.errors import DeadlineExceeded, PeerLost, RegistryError, SkillFailed
from chatixia.protocol import mesh


class Http(unittest.IsolatedAsyncioTestCase):
    async def fetch(self, answer: bytes, timeout: float = 10.0) -> http.Answer:
        async with FakeRegistry(lambda *_: answer) as registry:
            return await http.fetch("GET", registry.url, timeout=timeout)

    async def test_reads_bodies_of_a_length_in_chunks_and_to_the_end(self) -> None:
        for answer in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n[1,2,3]tail",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\n[1,\r\n4;x=y\r\n2,3]\r\n0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n[1,2,3]",
        ):
            with self.subTest(answer=answer):
                self.assertEqual(await self.fetch(answer), http.Answer(200, [1, 2, 3]))

    async def test_an_answer_that_is_none_is_an_error(self) -> None:
        for answer in (
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n[1,",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n[",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
            b"SSH-2.0-OpenSSH\r\n\r\n",
        ):
            with self.subTest(answer=answer[:60]), self.assertRaises(RegistryError) as caught:
                await self.fetch(answer)
            self.assertEqual(caught.exception.status, 0)

    async def test_takes_the_deepest_payload_inside_a_list_of_tasks(self) -> None:
        for depth, taken in ((67, True), (68, False)):
            text = b"[" * depth + b"]" * depth
            with self.subTest(depth=depth):
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)
                if taken:
                    self.assertEqual((await self.fetch(answer)).status, 200)
                else:
                    with self.assertRaises(RegistryError):
                        await self.fetch(answer)

    async def test_a_silent_server_ends_at_the_deadline(self) -> None:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            await reader.read()
            writer.close()

        silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        async with silent:
            port = silent.sockets[0].getsockname()[1]
            with self.assertRaises(RegistryError):
                await http.fetch("GET", f"http://127.0.0.1:{port}/", timeout=0.1)

    async def test_an_address_that_is_none_is_refused(self) -> None:
        for url in ("ftp://127.0.0.1/", "127.0.0.1:80", "http://", "http://[", "http://a:b/"):
            with self.subTest(url=url), self.assertRaises(RegistryError):
                await http.fetch("GET", url)

    async def test_a_header_cannot_smuggle_another(self) -> None:
        with self.assertRaises(RegistryError):
            await self.fetch_with_key("ak_1\r\nX-Evil: 1")

    async def fetch_with_key(self, key: str) -> dict[str, str]:
        async with FakeRegistry(lambda *_: (200, [])) as registry:
            await RegistryClient(registry.url, key).agents()
            return registry.headers[0]

    async def test_a_key_goes_into_the_header_of_its_kind(self) -> None:
        self.assertEqual((await self.fetch_with_key("ak_1"))["x-api-key"], "ak_1")
        self.assertEqual((await self.fetch_with_key("dt_1"))["x-device-token"], "dt_1")


class Refusals(unittest.IsolatedAsyncioTestCase):
    async def test_carry_status_and_code(self) -> None:
        for status, body, code in (
            (404, {"error": "not found"}, "not_found"),
            (200, {"error": "not found"}, "not_found"),
            (401, {"error": "no key", "code": "unauthorized"}, "unauthorized"),
            (502, None, "unavailable"),
        ):
            async with FakeRegistry(lambda *_, s=status, b=body: (s, b)) as registry:
                with self.subTest(status=status), self.assertRaises(RegistryError) as caught:
                    await RegistryClient(registry.url).agent("a/b")
                self.assertEqual((caught.exception.status, caught.exception.code), (status, code))
                self.assertEqual(registry.requests[0][1], "/api/registry/agents/a%2Fb")

    async def test_a_failed_task_is_an_answer_and_no_refusal(self) -> None:
        task = {"id": "t1", "state": "failed", "error": "no luck"}
        async with FakeRegistry(lambda *_: (200, task)) as registry:
            self.assertEqual(await RegistryClient(registry.url).task("t1"), task)


class PresenceAndQueue(unittest.IsolatedAsyncioTestCase):
    async def test_registers_as_its_sidecars_peer_and_runs_what_the_queue_assigns(self) -> None:
        tasks = [
            {"id": "t1", "skill": "echo", "payload": {"text": "hello"}, "ttl": 300},
            {"id": "t2", "skill": "fail", "payload": None, "ttl": 300},
        ]

        def script(method: str, path: str, body: Any) -> tuple[int, Any]:
            if path == "/api/hub/heartbeat":
                return 200, {"status": "ok", "pending_tasks": [tasks.pop(0)] if tasks else []}
            return 200, {"status": "ok"}

        with self.assertLogs("chatixia", "ERROR"):
            async with (
                FakeSidecar(knowing_itself) as sidecar,
                FakeRegistry(script) as registry,
                registered_agent(sidecar, registry),
            ):
                record = (await registry.wait_for(lambda r: r[1] == "/api/registry/agents"))[2]
                self.assertEqual(record["sidecar_peer_id"], "alice-peer")
                self.assertIn("echo", record["capabilities"]["skills"])
                done = await registry.wait_for(lambda r: r[1] == "/api/hub/tasks/t1")
                self.assertEqual(
                    done[2],
                    {"state": "completed", "result": {"text": "hello", "from": ""}},
                )
                failed = await registry.wait_for(lambda r: r[1] == "/api/hub/tasks/t2")
                self.assertEqual(failed[2]["state"], "failed")
                self.assertIn("no luck", failed[2]["error"])

    async def test_runs_a_few_queued_tasks_at_a_time_and_all_in_the_end(self) -> None:
        tasks = [{"id": f"t{n}", "skill": "wait", "payload": {}, "ttl": 300} for n in range(64)]

        async with (
            FakeSidecar(knowing_itself) as sidecar,
            FakeRegistry(assigning(tasks)) as registry,
        ):
            agent = registered_agent(sidecar, registry)
            gate = asyncio.Event()
            running: list[str] = []
            peak = 0

            @agent.skill("wait")
            async def wait(ctx: Context) -> None:
                nonlocal peak
                running.append(ctx.task_id)
                peak = max(peak, len(running))
                await gate.wait()
                running.remove(ctx.task_id)

            async with agent:
                await registry.wait_for(lambda r: registry.count("/api/hub/heartbeat") == 2)
                self.assertEqual(len(running), 16)
                gate.set()
                await registry.wait_for(lambda r: registry.count("/api/hub/tasks/") == 64)
                self.assertEqual(peak, 16)

    async def test_a_queued_task_whose_turn_comes_too_late_is_not_run(self) -> None:
        tasks: list[dict[str, Any]] = [
            {"id": f"t{n}", "skill": "block", "payload": {}, "ttl": 300} for n in range(16)
        ]
        tasks.append({"id": "late", "skill": "echo", "payload": {"text": "x"}, "ttl": 0.01})

        async with (
            FakeSidecar(knowing_itself) as sidecar,
            FakeRegistry(assigning(tasks)) as registry,
        ):
            agent = registered_agent(sidecar, registry)
            gate = asyncio.Event()

            @agent.skill("block")
            async def block(ctx: Context) -> None:
                await gate.wait()

            async with agent:
                await registry.wait_for(lambda r: registry.count("/api/hub/heartbeat") == 4)
                gate.set()
                late = await registry.wait_for(lambda r: r[1] == "/api/hub/tasks/late")
                self.assertEqual(late[2]["state"], "failed")
                self.assertIn("deadline_exceeded", late[2]["error"])

    async def test_a_task_above_what_may_wait_is_refused(self) -> None:
        task = {"skill": "sleep", "payload": {}, "ttl": 300}
        tasks = [task | {"id": f"t{n}"} for n in range(3)]

        with mock.patch("chatixia.asyncio.presence._QUEUED_MAX", 2):
            async with (
                FakeSidecar(knowing_itself) as sidecar,
                FakeRegistry(assigning(tasks)) as registry,
                registered_agent(sidecar, registry),
            ):
                refused = await registry.wait_for(lambda r: r[1] == "/api/hub/tasks/t2")
                self.assertIn("too_many_requests", refused[2]["error"])

    async def test_registers_again_with_a_registry_that_was_away(self) -> None:
        answers = iter([500, 200, 500])

        def script(method: str, path: str, body: Any) -> tuple[int, Any]:
            return next(answers, 200), {"status": "ok", "pending_tasks": []}

        with self.assertLogs("chatixia", "WARNING"):
            async with (
                FakeSidecar(knowing_itself) as sidecar,
                FakeRegistry(script) as registry,
                registered_agent(sidecar, registry),
            ):
                await registry.wait_for(
                    lambda _: (
                        [path for _, path, _ in registry.requests]
                        == ["/api/registry/agents"] * 2
                        + ["/api/hub/heartbeat", "/api/registry/agents", "/api/hub/heartbeat"]
                    )
                )

    async def test_registers_at_once_with_a_registry_that_is_back(self) -> None:
        def script(method: str, path: str, body: Any) -> tuple[int, Any]:
            return 200, {"status": "ok", "pending_tasks": []}

        async with (
            FakeSidecar(knowing_itself) as sidecar,
            FakeRegistry(script) as registry,
            make_agent(sidecar, registry=registry.url, key="ak_1", heartbeat_seconds=3600.0),
        ):
            await registry.wait_for(lambda r: r[1] == "/api/hub/heartbeat")
            sidecar.say({"type": "registry_connected", "payload": {"self": "alice-peer"}})
            await registry.wait_for(
                lambda _: [r[1] for r in registry.requests].count("/api/registry/agents") == 2
            )


class Delegation(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.polls: Iterator[tuple[int, Any] | bytes] = iter(
            [task("pending"), task("assigned"), task("completed", result=42)]
        )
        self.record: tuple[int, Any] = (200, {"agent_id": "bob", "sidecar_peer_id": "bob-peer"})

    def registry(self, method: str, path: str, body: Any) -> tuple[int, Any] | bytes:
        if path == "/api/hub/tasks":
            return 200, {"task_id": "t1"}
        if path == "/api/hub/tasks/t1":
            return next(self.polls, (404, {"error": "not found"}))
        if path.startswith("/api/registry/"):
            return self.record
        return 200, {"status": "ok", "pending_tasks": []}

    async def delegate(
        self, sidecar: FakeSidecar, timeout: float = 20, **options: Any
    ) -> tuple[Any, list[str]]:
        """The result, and which calls of the queue were made."""
        async with FakeRegistry(self.registry) as registry:
            agent = Agent("alice", registry=registry.url, socket_path=sidecar.path, attach=True)
            async with agent:
                result = await agent.delegate("sum", {"n": 1}, timeout=timeout, **options)
            queue = [path for _, path, _ in registry.requests if path == "/api/hub/tasks"]
            return result, queue

    async def test_goes_over_the_mesh_when_the_peer_is_reachable(self) -> None:
        def script(command: dict[str, Any]) -> list[dict[str, Any]] | None:
            if command["type"] != "send":
                return knowing_itself(command)
            request_id = command["payload"]["message"]["request_id"]
            answer = message_event("bob-peer", mesh.TASK_RESPONSE, request_id, {"result": 7})
            return [ok(command), answer]

        async with FakeSidecar(script) as sidecar:
            self.assertEqual(await self.delegate(sidecar), (7, []))
            self.assertEqual(await self.delegate(sidecar, target="bob"), (7, []))

    async def test_goes_to_the_queue_when_the_peer_is_not(self) -> None:
        for code in ("unknown_peer", "not_connected", "connect_failed"):
            self.setUp()

            def script(command: dict[str, Any], code: str = code) -> list[dict[str, Any]] | None:
                if command["type"] == "connect":
                    return [error(command, code)]
                return knowing_itself(command)

            with self.subTest(code=code):
                async with FakeSidecar(script) as sidecar:
                    self.assertEqual(await self.delegate(sidecar), (42, ["/api/hub/tasks"]))

    async def test_goes_to_the_queue_when_nobody_has_the_skill_yet(self) -> None:
        self.record = (200, {"error": "no agent found with skill", "skill": "sum"})
        async with FakeSidecar(knowing_itself) as sidecar:
            self.assertEqual(await self.delegate(sidecar), (42, ["/api/hub/tasks"]))

    async def test_a_task_that_was_sent_is_never_queued_as_well(self) -> None:
        def script(command: dict[str, Any]) -> list[dict[str, Any]] | None:
            if command["type"] != "send":
                return knowing_itself(command)
            gone = {"type": "peer_disconnected", "payload": {"peer_id": "bob-peer", "reason": "x"}}
            return [ok(command), gone]

        async with FakeSidecar(script) as sidecar:
            with self.assertRaises(PeerLost):
                await self.delegate(sidecar)

    async def test_a_task_that_the_peer_answered_is_never_queued_as_well(self) -> None:
        # What the peer's skill could not reach is no word about our own link.
        for code in ("unknown_peer", "not_connected", "connect_failed", "sidecar_gone"):

            def script(command: dict[str, Any], code: str = code) -> list[dict[str, Any]] | None:
                if command["type"] != "send":
                    return knowing_itself(command)
                request_id = command["payload"]["message"]["request_id"]
                payload = {"error": "no third one", "code": code}
                answer = message_event("bob-peer", mesh.TASK_RESPONSE, request_id, payload)
                return [ok(command), answer]

            with self.subTest(code=code):
                async with FakeSidecar(script) as sidecar:
                    with self.assertRaises(SkillFailed) as caught:
                        await self.delegate(sidecar)
                self.assertEqual(caught.exception.code, "skill_failed")
                self.assertEqual(caught.exception.message, f"{code}: no third one")

    async def test_a_queued_task_that_fails_or_never_ends_raises(self) -> None:
        self.record = (404, {"error": "not found"})
        async with FakeSidecar(knowing_itself) as sidecar:
            self.polls = iter([task("failed", error="TTL expired")])
            with self.assertRaises(SkillFailed) as caught:
                await self.delegate(sidecar)
            self.assertEqual(caught.exception.message, "TTL expired")
            self.polls = iter([task("pending")] * 100)
            with self.assertRaises(DeadlineExceeded):
                await self.delegate(sidecar, timeout=0.5)

    async def test_a_registry_that_restarts_costs_no_queued_task(self) -> None:
        self.record = (404, {"error": "not found"})
        self.polls = iter([(503, None), b"", task("completed", result=42)])
        async with FakeSidecar(knowing_itself) as sidecar:
            self.assertEqual(await self.delegate(sidecar), (42, ["/api/hub/tasks"]))

    async def test_a_registry_that_forgot_a_queued_task_is_final(self) -> None:
        self.record = (404, {"error": "not found"})
        self.polls = iter([])
        async with FakeSidecar(knowing_itself) as sidecar:
            with self.assertRaises(RegistryError):
                await self.delegate(sidecar)


def task(state: str, **more: Any) -> tuple[int, Any]:
    return 200, {"id": "t1", "state": state, **more}


def knowing_itself(command: dict[str, Any]) -> list[dict[str, Any]] | None:
    if command["type"] != "status":
        return None
    return [{"type": "status", "id": command["id"], "payload": {"self": "alice-peer"}}, ok(command)]


def assigning(tasks: list[dict[str, Any]]) -> Script:
    """Hands all of them out with the first heartbeat."""

    def script(method: str, path: str, body: Any) -> tuple[int, Any]:
        given = tasks.copy() if path == "/api/hub/heartbeat" else []
        del tasks[: len(given)]
        return 200, {"status": "ok", "pending_tasks": given}

    return script


def registered_agent(sidecar: FakeSidecar, registry: FakeRegistry) -> Agent:
    return make_agent(sidecar, registry=registry.url, key="ak_1", heartbeat_seconds=0.01)


if __name__ == "__main__":
    unittest.main()
