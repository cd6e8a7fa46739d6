"""A client of the 0.4 series lives its whole life on our registry and sidecar.

It is written from the 0.4 interfaces alone: asyncio, json, and the line reader's default limit of
64 KiB. Nothing of our Python package is used.
"""

import asyncio
import base64
import contextlib
import json
import os
import time
import unittest
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from framework import programs
from framework.case import World
from framework.patience import PATIENCE
from framework.websocket import Refused, WebSocket

Json = dict[str, Any]


class Client04:
    """What a 0.4 agent does: HTTP to the registry, a sidecar as its child, lines on its socket."""

    def __init__(self, name: str, registry: programs.Registry, key: str, folder: Path) -> None:
        self.name = name
        self.url = registry.url
        self.key = key
        self.log = folder / f"{name}-04.log"
        self.socket_path = folder / f"{name}-04.sock"
        self.events: list[Json] = []
        self.handlers: dict[str, Callable[[str, Json], Json | None]] = {}
        self._pending: dict[str, asyncio.Future[Json]] = {}
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    # The registry.

    async def http(self, method: str, path: str, body: Any = None, with_key: bool = True) -> Any:
        def call() -> Any:
            headers = {"Content-Type": "application/json"}
            if with_key:
                headers["X-API-Key"] = self.key
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(self.url + path, data, headers, method=method)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                with opener.open(request, timeout=PATIENCE) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refused:
                with refused:
                    return json.load(refused)

        return await asyncio.to_thread(call)

    async def take_token(self) -> Json:
        """A 0.4 client that is refused tries again after a second."""
        for _ in range(round(PATIENCE)):
            answer: Json = await self.http("POST", "/api/token")
            if "token" in answer:
                return answer
            await asyncio.sleep(1)
        raise AssertionError(f"no token: {answer}")

    # The sidecar.

    async def start_sidecar(self) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "SIGNALING_URL": self.url.replace("http", "ws") + "/ws",
            "TOKEN_URL": self.url + "/api/token",
            "API_KEY": self.key,
            "IPC_SOCKET": str(self.socket_path),
            "CHATIXIA_ICE_ADDRESSES": "127.0.0.1",
        }
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                programs.program("CHATIXIA_SIDECAR"),
                env=environment,
                stderr=log,
                preexec_fn=programs.die_with_parent,
            )
        started = time.monotonic()
        while not self.socket_path.exists():
            if self.process.returncode is not None:
                raise AssertionError(f"the sidecar ended early: {self.log.read_text()}")
            if time.monotonic() - started > 5:
                raise AssertionError("no socket within 5 s")
            await asyncio.sleep(0.1)

    async def connect(self) -> None:
        # No limit is given: a longer line than 64 KiB ends this reader for good.
        self._reader, self._writer = await asyncio.open_unix_connection(str(self.socket_path))
        self._listening = asyncio.create_task(self._listen())

    async def stop(self, kill: bool = False) -> None:
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening
        self._writer.close()
        if self.process.returncode is None:
            self.process.kill() if kill else self.process.terminate()
        await self.process.wait()

    async def _listen(self) -> None:
        while line := await self._reader.readline():
            event = json.loads(line)
            message = event["payload"].get("message", {})
            waiting = self._pending.get(message.get("request_id", ""))
            if event["type"] == "message" and waiting is not None and message["type"] in ANSWERS:
                waiting.set_result(message)
                del self._pending[message["request_id"]]
                continue
            async with self._changed:
                self.events.append(event)
                self._changed.notify_all()
            if event["type"] == "message" and message["type"] in self.handlers:
                await self._handle(event["payload"]["from_peer"], message)

    async def _handle(self, peer: str, message: Json) -> None:
        answer = self.handlers[message["type"]](peer, message)
        if answer is not None:
            await self.send(peer, answer | {"request_id": message["request_id"]})

    async def write(self, kind: str, payload: Json) -> None:
        self._writer.write(json.dumps({"type": kind, "payload": payload}).encode() + b"\n")
        await self._writer.drain()

    async def send(self, peer: str, message: Json) -> None:
        full = {"request_id": "", "source_agent": self.name, "target_agent": "", "payload": {}}
        await self.write("send", {"target_peer": peer, "message": full | message})

    async def request(self, peer: str, message: Json) -> Json:
        request_id = uuid.uuid4().hex
        self._pending[request_id] = asyncio.get_running_loop().create_future()
        await self.send(peer, message | {"request_id": request_id})
        async with asyncio.timeout(PATIENCE):
            return await self._pending[request_id]

    async def wait(self, kind: str, after: int = 0, **payload: Any) -> Json:
        """The payload of the first event of a kind that holds these members."""
        async with asyncio.timeout(PATIENCE), self._changed:
            while True:
                for event in self.events[after:]:
                    if event["type"] == kind and payload.items() <= event["payload"].items():
                        found: Json = event["payload"]
                        return found
                await self._changed.wait()

    async def wait_message(self, kind: str, count: int = 1) -> list[Json]:
        """The first messages of a type, in the order they came."""
        async with asyncio.timeout(PATIENCE), self._changed:
            while True:
                found = [
                    event["payload"]["message"]
                    for event in self.events
                    if event["type"] == "message" and event["payload"]["message"]["type"] == kind
                ]
                if len(found) >= count:
                    return found[:count]
                await self._changed.wait()

    async def list_peers(self) -> list[str]:
        mark = len(self.events)
        await self.write("list_peers", {})
        peers: list[str] = (await self.wait("peer_list", mark))["peers"]
        return peers


ANSWERS = ("pong", "task_response", "skill_response", "agent_response")


class Life(World):
    """The chapters of two agents' lives, each on a fresh registry."""

    def setUp(self) -> None:
        super().setUp()
        self.start_registry()

    def client(self, name: str) -> Client04:
        key = self.registry.key(f"{name}-sidecar")
        return Client04(name, self.registry, key, self.folder)

    @contextlib.asynccontextmanager
    async def pair(self) -> Any:
        """Two agents with open links, as 0.4 agents become."""
        one, two = self.client("one"), self.client("two")
        started = []
        try:
            for client in (one, two):
                await client.take_token()
                await client.start_sidecar()
                await client.connect()
                started.append(client)
            await one.wait("peer_connected", peer_id="two-sidecar")
            await two.wait("peer_connected", peer_id="one-sidecar")
            yield one, two
        except BaseException:
            for client in (one, two):
                if client.log.exists():
                    programs.say(f"--- {client.name}'s sidecar\n{client.log.read_text()[-3000:]}")
            raise
        finally:
            for client in started:
                await client.stop()

    def test_token(self) -> None:
        async def life() -> None:
            client = self.client("one")
            client.key = self.registry.add_key("one-sidecar")  # while the registry runs
            answer = await client.take_token()
            self.assertEqual((answer["peer_id"], answer["role"]), ("one-sidecar", "agent"))
            header, claims, _ = answer["token"].split(".")
            header, claims = (
                json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)
            )
            self.assertEqual(header["alg"], "HS256")
            self.assertEqual((claims["sub"], claims["role"]), ("one-sidecar", "agent"))
            self.assertEqual(claims["exp"] - claims["iat"], 300)
            stranger = self.client("stranger")
            stranger.key = "ak_nobody"
            self.assertNotIn("token", await stranger.http("POST", "/api/token"))

        asyncio.run(life())

    def test_keys_file_of_the_deployment_guide(self) -> None:
        keys = self.folder / "bare.json"
        keys.touch(0o600)
        keys.write_text('{"ak_bare": {"peer_id": "bare-sidecar", "role": "agent"}}')
        self.registry.terminate()
        self.start_registry(API_KEYS_FILE=str(keys))
        client = self.client("bare")
        client.key = "ak_bare"
        self.assertEqual(asyncio.run(client.take_token())["peer_id"], "bare-sidecar")

    def test_registration_and_discovery(self) -> None:
        async def life() -> None:
            client = self.client("one")
            await client.take_token()
            registration = {
                "agent_id": "one",
                "hostname": "here",
                "ip": "127.0.0.1",
                "port": 8001,
                "sidecar_peer_id": "one-sidecar",
                "capabilities": {
                    "skills": ["echo"],
                    "mcp_servers": [],
                    "goals_count": 1,
                    "mode": "interactive",
                },
                "status": "active",
                "mode": "interactive",
            }
            answer = await client.http("POST", "/api/registry/agents", registration)
            self.assertEqual(answer["status"], "ok")

            # 0.4 agents send no credentials when they read.
            agents = await client.http("GET", "/api/registry/agents", with_key=False)
            self.assertEqual(len(agents), 1)
            self.assertLessEqual(registration.items(), agents[0].items())
            self.assertEqual(agents[0]["health"], "active")
            for moment in ("registered_at", "last_heartbeat"):
                self.assertRegex(agents[0][moment], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
            record = await client.http("GET", "/api/registry/agents/one", with_key=False)
            self.assertEqual(record["agent_id"], "one")
            record = await client.http("GET", "/api/registry/route?skill=echo", with_key=False)
            self.assertEqual(record["sidecar_peer_id"], "one-sidecar")

            unknown = await client.http("GET", "/api/registry/agents/two", with_key=False)
            self.assertEqual(unknown["error"], "not found")
            unknown = await client.http("GET", "/api/registry/route?skill=fly", with_key=False)
            self.assertEqual(unknown["error"], "no agent found with skill")
            self.assertEqual(unknown["skill"], "fly")

            topology = await client.http("GET", "/api/hub/network/topology", with_key=False)
            self.assertEqual([node["agent_id"] for node in topology["nodes"]], ["one"])
            self.assertIn("mesh_edges", topology)
            config = await client.http("GET", "/api/config", with_key=False)
            self.assertIsInstance(config["iceServers"], list)

            answer = await client.http("DELETE", "/api/registry/agents/one")
            self.assertEqual(answer["status"], "ok")
            answer = await client.http("DELETE", "/api/registry/agents/one")
            self.assertEqual(answer["error"], "not found")

        asyncio.run(life())

    def test_messages_between_two_agents(self) -> None:
        async def life() -> None:
            async with self.pair() as (one, two):
                self.assertEqual(await one.list_peers(), ["two-sidecar"])
                self.assertEqual(await two.list_peers(), ["one-sidecar"])
                # A 0.4 agent asks for links that are there already.
                await one.write("connect", {"target_peer_id": "two-sidecar"})

                two.handlers["ping"] = lambda peer, message: {"type": "pong"}
                two.handlers["skill_query"] = lambda peer, message: {
                    "type": "skill_response",
                    "payload": {"available": True, "description": "says it again"},
                }
                two.handlers["task_request"] = lambda peer, message: {
                    "type": "task_response",
                    "payload": {"result": message["payload"]["message"].upper(), "error": ""},
                }
                self.assertEqual(
                    (await one.request("two-sidecar", {"type": "ping"}))["type"], "pong"
                )
                answer = await one.request(
                    "two-sidecar", {"type": "skill_query", "payload": {"skill": "shout"}}
                )
                self.assertTrue(answer["payload"]["available"])
                # The arguments lie flat beside the skill, and the text is close to the limit of
                # the reader.
                text = "héllo " * 5000
                answer = await one.request(
                    "two-sidecar",
                    {"type": "task_request", "payload": {"skill": "shout", "message": text}},
                )
                self.assertEqual(answer["payload"], {"result": text.upper(), "error": ""})
                self.assertEqual(answer["source_agent"], "two")

                await two.write(
                    "broadcast",
                    {"message": {"type": "agent_status", "payload": {"status": "thinking"}}},
                )
                status = (await one.wait_message("agent_status"))[0]
                self.assertEqual(status["payload"], {"status": "thinking"})
                unknown = {"type": "of_our_own", "payload": {"deep": [1, {"x": None}]}, "more": 1}
                await two.send("one-sidecar", unknown)
                heard = (await one.wait_message("of_our_own"))[0]
                self.assertLessEqual(unknown.items(), heard.items())

        asyncio.run(life())

    def test_stream(self) -> None:
        async def life() -> None:
            async with self.pair() as (one, two):
                for number in range(200):
                    chunk = {"text": f"{number} ", "done": number == 199}
                    await two.send(
                        "one-sidecar",
                        {"type": "agent_stream_chunk", "request_id": "s1", "payload": chunk},
                    )
                chunks = await one.wait_message("agent_stream_chunk", 200)
                texts = [chunk["payload"]["text"] for chunk in chunks]
                self.assertEqual(texts, [f"{number} " for number in range(200)])
                self.assertTrue(chunks[-1]["payload"]["done"])
                self.assertEqual({chunk["request_id"] for chunk in chunks}, {"s1"})

        asyncio.run(life())

    def test_heartbeat_and_task_queue(self) -> None:
        async def life() -> None:
            worker, boss = self.client("worker"), self.client("boss")
            await worker.take_token()
            await boss.take_token()
            beat = {
                "agent_id": "worker",
                "hostname": "here",
                "ip": "127.0.0.1",
                "port": 8000,
                "status": "active",
                "mode": "interactive",
                "skills_count": 1,
                "goals_count": 0,
                "uptime_seconds": 1.5,
                "skill_names": ["dig"],
                "sidecar_peer_id": "worker-sidecar",
            }
            # An unknown agent is registered by its heartbeat.
            answer = await worker.http("POST", "/api/hub/heartbeat", beat)
            self.assertEqual((answer["status"], answer["pending_tasks"]), ("ok", []))
            record = await boss.http("GET", "/api/registry/route?skill=dig", with_key=False)
            self.assertEqual(record["agent_id"], "worker")

            task = {"skill": "dig", "source_agent_id": "boss", "payload": {"depth": 3}}
            submitted = await boss.http("POST", "/api/hub/tasks", task, with_key=False)
            path = f"/api/hub/tasks/{submitted['task_id']}"
            shown = await boss.http("GET", path, with_key=False)
            self.assertLessEqual({**task, "state": "pending"}.items(), shown.items())
            self.assertLess(abs(shown["created_at"] - time.time()), 60)
            self.assertEqual(shown["ttl"], 300)

            tasks = (await worker.http("POST", "/api/hub/heartbeat", beat))["pending_tasks"]
            self.assertEqual([task["id"] for task in tasks], [submitted["task_id"]])
            self.assertEqual(tasks[0]["payload"], {"depth": 3})
            self.assertEqual((await boss.http("GET", path, with_key=False))["state"], "assigned")
            self.assertEqual(
                (await worker.http("POST", "/api/hub/heartbeat", beat))["pending_tasks"], []
            )
            done = {"state": "completed", "result": {"hole": "deep"}}
            self.assertEqual((await worker.http("POST", path, done))["status"], "ok")
            shown = await boss.http("GET", path, with_key=False)
            self.assertEqual((shown["state"], shown["result"]), ("completed", {"hole": "deep"}))
            everything = await boss.http("GET", "/api/hub/tasks/all", with_key=False)
            self.assertEqual(everything, [shown])

            named = {"skill": "x", "target_agent_id": "worker", "payload": {}, "ttl": 1}
            submitted = await boss.http("POST", "/api/hub/tasks", named, with_key=False)
            path = f"/api/hub/tasks/{submitted['task_id']}"
            async with asyncio.timeout(PATIENCE):
                while (shown := await boss.http("GET", path, with_key=False))["state"] == "pending":
                    await asyncio.sleep(0.1)
            self.assertEqual((shown["state"], shown["error"]), ("failed", "TTL expired"))
            unknown = await boss.http("GET", "/api/hub/tasks/none", with_key=False)
            self.assertEqual(unknown["error"], "not found")

        asyncio.run(life())

    def test_a_peer_that_dies_and_one_that_returns(self) -> None:
        async def life() -> None:
            async with self.pair() as (one, two):
                mark = len(one.events)
                await two.stop()
                await one.wait("peer_disconnected", mark, peer_id="two-sidecar")
                self.assertEqual(await one.list_peers(), [])
                mark = len(one.events)
                await two.start_sidecar()
                await two.connect()
                await one.wait("peer_connected", mark, peer_id="two-sidecar")
                two.handlers["ping"] = lambda peer, message: {"type": "pong"}
                await one.request("two-sidecar", {"type": "ping"})

                # Without a goodbye the other end finds out by itself once the peer is back.
                mark = len(one.events)
                await two.stop(kill=True)
                two.socket_path.unlink()  # its appearance is what a 0.4 agent waits for
                await two.start_sidecar()
                await two.connect()
                await one.wait("peer_disconnected", mark, peer_id="two-sidecar")
                await one.wait("peer_connected", mark, peer_id="two-sidecar")
                await one.request("two-sidecar", {"type": "ping"})

        asyncio.run(life())

    def test_what_happens_before_the_agent_connects_is_kept(self) -> None:
        async def life() -> None:
            one, two = self.client("one"), self.client("two")
            await one.take_token()
            await one.start_sidecar()
            await one.connect()
            await two.take_token()
            await two.start_sidecar()
            await one.wait("peer_connected", peer_id="two-sidecar")
            await one.send("two-sidecar", {"type": "early", "payload": {"n": 1}})
            await two.connect()
            await two.wait("peer_connected", peer_id="one-sidecar")
            early = (await two.wait_message("early"))[0]
            self.assertEqual(early["payload"], {"n": 1})
            kinds = [event["type"] for event in two.events]
            self.assertLess(kinds.index("peer_connected"), kinds.index("message"))
            await one.stop()
            await two.stop()

        asyncio.run(life())


class Signaling(World):
    """The registry's WebSocket as a 0.4 sidecar knows it."""

    def setUp(self) -> None:
        super().setUp()
        self.start_registry()

    def test_register_offer_answer_and_candidates(self) -> None:
        one, two = self.raw_peer("one"), self.raw_peer("two")
        two.send({"type": "register", "peer_id": "two", "payload": {}})
        listed = two.receive()
        self.assertEqual(
            listed, {"type": "peer_list", "peer_id": "registry", "payload": {"peers": ["one"]}}
        )
        two.send({"type": "heartbeat", "peer_id": "two", "payload": {}})
        for sender, receiver, message in (
            (two, one, {"type": "offer", "payload": {"sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n"}}),
            (one, two, {"type": "answer", "payload": {"sdp": "v=0\r\n"}}),
            (
                two,
                one,
                {
                    "type": "ice_candidate",
                    "payload": {
                        "candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host",
                        "sdpMid": None,
                        "sdpMLineIndex": None,
                    },
                },
            ),
            (two, one, {"type": "ice_candidate", "payload": {"candidate": "", "sdpMid": "0"}}),
        ):
            source, target = ("two", "one") if sender is two else ("one", "two")
            envelope = {**message, "peer_id": source, "target_id": target, "member_of_tomorrow": 1}
            sender.send(envelope)
            self.assertEqual(receiver.receive(), envelope)

    def test_the_token_goes_into_the_query_or_the_header(self) -> None:
        token = self.token("one")
        for in_query in (True, False):
            WebSocket.connect(self.registry.websocket_url, token, in_query).drop()
        for bad in ("", "nonsense", token[:-2], None):
            with self.subTest(token=bad), self.assertRaises(Refused) as caught:
                WebSocket.connect(self.registry.websocket_url, bad)
            self.assertEqual(caught.exception.status, 401)

    def test_a_newer_connection_of_a_peer_replaces_the_older(self) -> None:
        older, other = self.raw_peer("one"), self.raw_peer("two")
        newer = self.raw_peer("one")
        envelope = {"type": "offer", "peer_id": "two", "target_id": "one", "payload": {"sdp": ""}}
        other.send(envelope)
        self.assertEqual(newer.receive(), envelope)
        older.drop()
        other.send(envelope)
        self.assertEqual(newer.receive(), envelope)


if __name__ == "__main__":
    unittest.main()
