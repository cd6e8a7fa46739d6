"""MeshClient against a sidecar that misbehaves on demand."""

import asyncio
import json
import os
import unittest
from typing import Any
from unittest import mock

from support import FakeSidecar, answering, error, message_event, ok

from chatixia import limits
from chatixia.asyncio import MeshClient
from chatixia.asyncio.connection import Credentials
from chatixia.errors import (
    BacklogFull,
    BadRequest,
    DeadlineExceeded,
    MessageTooLarge,
    NotConnected,
    PeerLost,
    SidecarBusy,
    SidecarGone,
    SkillFailed,
    UnknownPeer,
    UnknownSkill,
)
from chatixia.protocol import ipc, mesh


class Commands(unittest.IsolatedAsyncioTestCase):
    async def test_send_returns_at_the_ok_and_not_before(self) -> None:
        async with FakeSidecar(lambda command: []) as sidecar, MeshClient(sidecar.path) as client:
            sending = asyncio.create_task(client.send("bob", mesh.Message("ping")))
            command = await sidecar.wait_for(lambda c: c["type"] == "send")
            self.assertFalse(sending.done())
            sidecar.say(ok(command))
            await sending

    async def test_lists_and_status_come_before_their_ok(self) -> None:
        def script(command: dict[str, Any]) -> list[dict[str, Any]]:
            answers = {
                "list_peers": {"type": "peer_list", "payload": {"peers": ["a", "b"]}},
                "status": {"type": "status", "payload": {"self": "me"}},
            }
            return [answers[command["type"]] | {"id": command["id"]}, ok(command)]

        async with FakeSidecar(script) as sidecar, MeshClient(sidecar.path) as client:
            self.assertEqual(await client.list_peers(), ["a", "b"])
            self.assertEqual(await client.status(), {"self": "me"})

    async def test_a_refusal_is_the_exception_of_its_code(self) -> None:
        async with (
            FakeSidecar(lambda command: [error(command, "unknown_peer")]) as sidecar,
            MeshClient(sidecar.path) as client,
        ):
            with self.assertRaises(UnknownPeer) as caught:
                await client.connect("nobody")
            self.assertEqual(caught.exception.message, "about unknown_peer")
            self.assertEqual(caught.exception.hint, "a hint")

    async def test_a_full_link_is_waited_for(self) -> None:
        refusals = iter(range(3))

        def script(command: dict[str, Any]) -> list[dict[str, Any]] | None:
            full = next(refusals, None) is not None
            return [error(command, "send_buffer_full")] if full else None

        async with FakeSidecar(script) as sidecar, MeshClient(sidecar.path) as client:
            await client.send("bob", mesh.Message("ping"))
            self.assertEqual(len(sidecar.commands), 4)

    async def test_a_link_that_stays_full_ends_at_the_deadline(self) -> None:
        async with (
            FakeSidecar(lambda command: [error(command, "send_buffer_full")]) as sidecar,
            MeshClient(sidecar.path) as client,
        ):
            with self.assertRaises(DeadlineExceeded):
                await client.send("bob", mesh.Message("ping"), timeout=0.05)

    async def test_a_silent_sidecar_ends_at_the_deadline_and_its_late_ok_is_harmless(self) -> None:
        async with FakeSidecar(lambda command: []) as sidecar, MeshClient(sidecar.path) as client:
            with self.assertRaises(DeadlineExceeded):
                await client.list_peers(timeout=0.05)
            sidecar.say(ok(sidecar.commands[0]), ok(sidecar.commands[0]))
            sidecar.script = lambda command: None
            await client.broadcast(mesh.Message("hello"))

    async def test_a_command_id_is_of_one_connection_only(self) -> None:
        async with FakeSidecar() as sidecar:
            for _ in range(2):
                async with MeshClient(sidecar.path) as client:
                    await client.list_peers()
                    await client.connect("bob")
            self.assertEqual(len({command["id"] for command in sidecar.commands}), 4)

    async def test_what_cannot_be_encoded_never_reaches_the_sidecar(self) -> None:
        async with FakeSidecar() as sidecar, MeshClient(sidecar.path) as client:
            with self.assertRaises(MessageTooLarge):
                await client.send("bob", mesh.Message("x", payload={"t": "x" * (256 * 1024)}))
            with self.assertRaises(BadRequest):
                await client.send("bob", mesh.Message("x", payload={"t": object()}))
            await client.send("bob", mesh.Message("ping"))
            self.assertEqual(len(sidecar.commands), 1)


class Requests(unittest.IsolatedAsyncioTestCase):
    async def test_takes_a_line_far_above_64_kib(self) -> None:
        text = "é" * (limits.MESSAGE_BYTES_MAX // 2 - 200)
        async with (
            FakeSidecar(answering(mesh.TASK_RESPONSE, {"result": text})) as sidecar,
            MeshClient(sidecar.path) as client,
        ):
            # The fake escapes, so a shorter text makes a line of the largest size.
            self.assertGreater(len(json.dumps(text)), limits.IPC_LINE_BYTES_MAX)
            sidecar.script = answering(mesh.TASK_RESPONSE, {"result": text[: 250 * 1024 // 6]})
            self.assertEqual(await client.call("bob", "big"), text[: 250 * 1024 // 6])

    async def test_duplicate_late_and_stray_answers_leave_the_client_working(self) -> None:
        events: list[ipc.EventBody] = []
        async with (
            FakeSidecar(answering(mesh.PONG, {})) as sidecar,
            MeshClient(sidecar.path, lambda _, event: events.append(event)) as client,
        ):
            await client.ping("bob")
            request_id = sidecar.commands[0]["payload"]["message"]["request_id"]
            sidecar.say(*[message_event("bob", mesh.PONG, request_id, {})] * 3)
            sidecar.say(message_event("bob", mesh.PONG, "never-asked", {}))
            sidecar.say({"type": "ok", "id": "never-asked", "payload": {}})
            await client.ping("bob")
            self.assertEqual(len(events), 4)

    async def test_an_answer_from_another_peer_is_not_taken(self) -> None:
        async with (
            FakeSidecar(answering(mesh.PONG, {}, peer="mallory")) as sidecar,
            MeshClient(sidecar.path) as client,
        ):
            with self.assertRaises(DeadlineExceeded):
                await client.ping("bob", timeout=0.1)

    async def test_a_task_that_fails_raises_what_the_peer_said(self) -> None:
        async with FakeSidecar() as sidecar, MeshClient(sidecar.path) as client:
            sidecar.script = answering(mesh.TASK_RESPONSE, {"result": "", "error": "no luck"})
            with self.assertRaises(SkillFailed) as caught:
                await client.call("bob", "try")
            self.assertEqual(caught.exception.message, "no luck")
            sidecar.script = answering(
                mesh.TASK_RESPONSE, {"error": "no such skill", "code": "unknown_skill"}
            )
            with self.assertRaises(UnknownSkill):
                await client.call("bob", "try")

    async def test_streams_chunks_and_then_the_result(self) -> None:
        def script(command: dict[str, Any]) -> list[dict[str, Any]]:
            request_id = command["payload"]["message"]["request_id"]

            def chunk(text: str, done: bool = False) -> dict[str, Any]:
                payload = {"text": text, "done": done}
                return message_event("bob", mesh.TASK_STREAM_CHUNK, request_id, payload)

            answer = message_event("bob", mesh.TASK_RESPONSE, request_id, {"result": 3})
            return [chunk("one"), ok(command), chunk("two"), chunk("", done=True), answer]

        async with FakeSidecar(script) as sidecar, MeshClient(sidecar.path) as client:
            texts: list[str] = []
            self.assertEqual(await client.call("bob", "count", on_chunk=texts.append), 3)
            self.assertEqual(texts, ["one", "two"])
            self.assertEqual([text async for text in client.stream("bob", "count")], texts)

    async def test_a_stream_that_nobody_reads_is_bounded(self) -> None:
        async with FakeSidecar() as sidecar, MeshClient(sidecar.path) as client:
            stream = client.stream("bob", "flood", timeout=60)
            first = asyncio.create_task(anext(stream))
            message = await sidecar.wait_for_message(mesh.TASK_REQUEST)
            chunk = message_event(
                "bob", mesh.TASK_STREAM_CHUNK, message["request_id"], {"text": "x" * 200_000}
            )
            line = json.dumps(chunk).encode() + b"\n"
            sidecar.say_bytes(line)
            await first
            for _ in range(limits.BACKLOG_BYTES_MAX // len(line) + 2):
                sidecar.say_bytes(line)
            await client.list_peers()  # everything before its ok has been read
            with self.assertRaises(BacklogFull):
                async for _ in stream:
                    pass

    async def test_the_deadline_covers_the_whole_request(self) -> None:
        async with FakeSidecar() as sidecar, MeshClient(sidecar.path) as client:
            with self.assertRaises(DeadlineExceeded) as caught:
                await client.call("bob", "sleep", timeout=0.1)
            self.assertIn("bob", caught.exception.message)
            task = (await sidecar.wait_for_message(mesh.TASK_REQUEST))["payload"]
            self.assertEqual(task, {"skill": "sleep", "args": {}, "timeout_ms": 100})

    async def test_a_request_that_cannot_be_delivered_fails_at_once(self) -> None:
        async with (
            FakeSidecar(lambda command: [error(command, "not_connected")]) as sidecar,
            MeshClient(sidecar.path) as client,
        ):
            with self.assertRaises(NotConnected):
                await client.call("bob", "echo", timeout=60)

    async def test_a_peer_that_leaves_fails_its_requests_and_no_others(self) -> None:
        async with FakeSidecar() as sidecar, MeshClient(sidecar.path) as client:
            to_bob = asyncio.create_task(client.call("bob", "echo", timeout=60))
            to_eve = asyncio.create_task(client.call("eve", "echo", timeout=60))
            await sidecar.wait_for(lambda c: c["payload"]["target_peer"] == "bob")
            eve = await sidecar.wait_for(lambda c: c["payload"]["target_peer"] == "eve")
            await client.list_peers()
            payload = {"peer_id": "bob", "reason": "link lost"}
            sidecar.say({"type": "peer_disconnected", "payload": payload})
            with self.assertRaises(PeerLost) as caught:
                await to_bob
            self.assertEqual(caught.exception.message, "link lost")
            request_id = eve["payload"]["message"]["request_id"]
            sidecar.say(message_event("eve", mesh.TASK_RESPONSE, request_id, {"result": 1}))
            self.assertEqual(await to_eve, 1)

    async def test_a_request_that_waits_for_its_link_outlives_the_one_before(self) -> None:
        async with FakeSidecar(lambda command: []) as sidecar, MeshClient(sidecar.path) as client:
            call = asyncio.create_task(client.call("bob", "echo", timeout=60))
            command = await sidecar.wait_for(lambda c: c["type"] == "send")
            request_id = command["payload"]["message"]["request_id"]
            sidecar.say(
                {"type": "peer_disconnected", "payload": {"peer_id": "bob", "reason": "replaced"}},
                ok(command),
                message_event("bob", mesh.TASK_RESPONSE, request_id, {"result": 1}),
            )
            self.assertEqual(await call, 1)


class Trouble(unittest.IsolatedAsyncioTestCase):
    async def test_a_dead_sidecar_fails_everything_that_waits_at_once(self) -> None:
        async with FakeSidecar() as sidecar, MeshClient(sidecar.path) as client:
            calls = [
                asyncio.create_task(client.call("bob", "sleep", timeout=600)) for _ in range(20)
            ]
            await sidecar.wait_for(lambda c: len(sidecar.commands) == 20)
            sidecar.script = lambda command: []
            calls.append(asyncio.create_task(client.connect("eve", timeout=600)))
            await sidecar.wait_for(lambda c: c["type"] == "connect")
            sidecar.hang_up()
            async with asyncio.timeout(5):
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
            self.assertEqual({type(outcome) for outcome in outcomes}, {SidecarGone})
            await client.wait_closed()
            with self.assertRaises(SidecarGone):
                await client.list_peers()

    async def test_bad_lines_are_skipped(self) -> None:
        with self.assertLogs("chatixia", "WARNING") as logs:
            async with (
                FakeSidecar(answering(mesh.PONG, {})) as sidecar,
                MeshClient(sidecar.path) as client,
            ):
                await client.list_peers()
                sidecar.say_bytes(b"x" * (limits.IPC_LINE_BYTES_MAX + 1) + b"\n")
                sidecar.say_bytes(b'{"type":\n')
                sidecar.say_bytes(b"\xff\xfe\n")
                sidecar.say_bytes(b"[" * 100_000 + b"\n")
                sidecar.say({"type": "weather", "payload": {}})
                await client.ping("bob")
        self.assertEqual(len(logs.output), 4)

    async def test_a_failing_handler_does_not_stop_the_reader(self) -> None:
        def fail(_: MeshClient, event: ipc.EventBody) -> None:
            raise RuntimeError("a handler's own mistake")

        with self.assertLogs("chatixia", "ERROR"):
            async with (
                FakeSidecar(answering(mesh.PONG, {})) as sidecar,
                MeshClient(sidecar.path, fail) as client,
            ):
                await client.list_peers()
                sidecar.say({"type": "peer_connected", "payload": {"peer_id": "bob"}})
                await client.ping("bob")

    async def test_a_busy_sidecar_says_so(self) -> None:
        async with FakeSidecar() as sidecar, MeshClient(sidecar.path) as client:
            await client.list_peers()
            payload = {"code": "sidecar_busy", "message": "another agent is here", "hint": ""}
            sidecar.say({"type": "error", "payload": payload})
            sidecar.hang_up()
            await client.wait_closed()
            with self.assertRaises(SidecarBusy) as caught:
                await client.list_peers()
            self.assertEqual(caught.exception.message, "another agent is here")

    async def test_a_close_right_after_the_opening_hangs_up(self) -> None:
        async with FakeSidecar() as sidecar:
            client = MeshClient(sidecar.path)
            await client.open()
            await client.close()
            async with asyncio.timeout(10):
                await sidecar.hung_up.wait()

    async def test_a_socket_of_another_user_is_not_trusted(self) -> None:
        async with FakeSidecar() as sidecar:
            with (
                mock.patch("os.geteuid", return_value=os.geteuid() + 1),
                mock.patch.object(Credentials, "ROOT", -1),
                self.assertRaises(SidecarGone) as caught,
            ):
                await MeshClient(sidecar.path).open()
            await sidecar.wait_connected()
        self.assertIn("another user", caught.exception.message)
        self.assertEqual(sidecar.commands, [])

    async def test_nobody_behind_the_socket_is_a_clear_error(self) -> None:
        with self.assertRaises(SidecarGone) as caught:
            await MeshClient("/nonexistent/sidecar.sock").open()
        self.assertIn("/nonexistent/sidecar.sock", caught.exception.message)


if __name__ == "__main__":
    unittest.main()
