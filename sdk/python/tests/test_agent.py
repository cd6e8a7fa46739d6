"""The agent runtime: skills that are run, refused, streamed and cut off."""

import asyncio
import signal
import sys
import unittest
from typing import Any
from unittest import mock

from support import FakeSidecar, message_event

from chatixia import Agent, BlockingContext, Context
from chatixia.protocol import mesh


def make_agent(sidecar: FakeSidecar, **options: Any) -> Agent:
    agent = Agent("alice", socket_path=sidecar.path, attach=True, **options)

    @agent.skill("echo")
    async def echo(ctx: Context, text: str) -> dict[str, str]:
        """Says what it heard."""
        return {"text": text, "from": ctx.peer}

    @agent.skill("count")
    async def count(ctx: Context, to: int) -> int:
        for number in range(to):
            await ctx.emit(str(number))
        return to

    @agent.skill("count_in_a_thread")
    def count_in_a_thread(ctx: BlockingContext, to: int) -> int:
        for number in range(to):
            ctx.emit(str(number))
        return to

    @agent.skill("fail")
    async def fail(ctx: Context) -> None:
        raise RuntimeError("no luck")

    @agent.skill("sleep")
    async def sleep(ctx: Context) -> None:
        await asyncio.sleep(600)

    @agent.skill("huge")
    async def huge(ctx: Context) -> str:
        return "x" * (300 * 1024)

    @agent.skill("strange")
    async def strange(ctx: Context) -> object:
        return object()

    return agent


class Serving(unittest.IsolatedAsyncioTestCase):
    async def answer(self, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        """What the agent sends back for one message; the last one when it streams."""
        async with FakeSidecar() as sidecar, make_agent(sidecar):
            self.sidecar = sidecar
            await sidecar.wait_connected()
            sidecar.say(message_event("bob", kind, "r1", payload))
            answer = {mesh.TASK_REQUEST: mesh.TASK_RESPONSE, mesh.PING: mesh.PONG}.get(
                kind, mesh.SKILL_RESPONSE
            )
            message = await sidecar.wait_for_message(answer)
            self.assertEqual(message["request_id"], "r1")
            self.assertEqual(message["source_agent"], "alice")
            return message

    async def task(self, skill: str, **more: Any) -> Any:
        message = await self.answer(mesh.TASK_REQUEST, {"skill": skill} | more)
        return message["payload"]

    async def test_answers_a_ping_with_its_payload(self) -> None:
        message = await self.answer(mesh.PING, {"n": 1})
        self.assertEqual(message["payload"], {"n": 1})

    async def test_tells_which_skills_it_has(self) -> None:
        message = await self.answer(mesh.SKILL_QUERY, {"skill": "echo"})
        self.assertEqual(
            message["payload"], {"available": True, "description": "Says what it heard."}
        )
        message = await self.answer(mesh.SKILL_QUERY, {"skill": "sing"})
        self.assertEqual(message["payload"], {"available": False, "description": ""})

    async def test_runs_a_skill_with_its_arguments(self) -> None:
        expected = {"result": {"text": "hello", "from": "bob"}}
        self.assertEqual(await self.task("echo", args={"text": "hello"}), expected)

    async def test_runs_a_skill_that_0_4_calls_with_flat_arguments(self) -> None:
        expected = {"result": {"text": "hello", "from": "bob"}}
        self.assertEqual(await self.task("echo", text="hello"), expected)

    async def test_streams_before_it_answers(self) -> None:
        for skill in ("count", "count_in_a_thread"):
            with self.subTest(skill=skill):
                self.assertEqual(await self.task(skill, args={"to": 3}), {"result": 3})
                sent = [command["payload"]["message"] for command in self.sidecar.commands]
                self.assertEqual(
                    [message["payload"] for message in sent[:-1]],
                    [{"text": str(n), "done": False} for n in range(3)]
                    + [{"text": "", "done": True}],
                )

    async def test_refuses_in_words_what_it_cannot_do(self) -> None:
        with self.assertLogs("chatixia", "ERROR"):
            for skill, args, code, words in (
                ("sing", {}, "unknown_skill", "sing"),
                ("echo", {}, "bad_request", "text"),
                ("echo", {"text": "a", "volume": 11}, "bad_request", "volume"),
                ("fail", {}, "skill_failed", "no luck"),
                ("huge", {}, "message_too_large", "262144"),
                ("strange", {}, "bad_request", "JSON"),
            ):
                with self.subTest(skill=skill, args=args):
                    payload = await self.task(skill, args=args)
                    self.assertEqual(payload["code"], code)
                    self.assertIn(words, payload["error"])

    async def test_a_skill_is_cut_off_at_its_deadline(self) -> None:
        payload = await self.task("sleep", timeout_ms=50)
        self.assertEqual(payload["code"], "deadline_exceeded")

    async def test_a_task_without_a_skill_is_refused(self) -> None:
        message = await self.answer(mesh.TASK_REQUEST, {})
        self.assertEqual(message["payload"]["code"], "bad_request")

    async def test_a_flood_of_tasks_is_refused_and_pings_still_answered(self) -> None:
        async with FakeSidecar() as sidecar, make_agent(sidecar):
            await sidecar.wait_connected()
            for number in range(65):
                task = {"skill": "sleep"}
                sidecar.say(message_event("bob", mesh.TASK_REQUEST, f"r{number}", task))
            refusal = await sidecar.wait_for_message(mesh.TASK_RESPONSE)
            self.assertEqual(refusal["request_id"], "r64")
            self.assertEqual(refusal["payload"]["code"], "too_many_requests")
            sidecar.say(message_event("eve", mesh.PING, "p1", {}))
            await sidecar.wait_for_message(mesh.PONG)

    async def test_other_messages_go_to_their_handlers(self) -> None:
        async with FakeSidecar() as sidecar:
            agent = make_agent(sidecar)
            heard: asyncio.Queue[tuple[str, mesh.Message]] = asyncio.Queue()

            @agent.on(mesh.AGENT_PROMPT)
            async def prompt(peer: str, message: mesh.Message) -> None:
                await heard.put((peer, message))

            async with agent:
                await sidecar.wait_connected()
                sidecar.say(message_event("bob", "of_another_kind", "", {}))
                sidecar.say(message_event("bob", mesh.AGENT_PROMPT, "r1", {"text": "hello"}))
                async with asyncio.timeout(10):
                    peer, message = await heard.get()
            self.assertEqual((peer, message.payload), ("bob", {"text": "hello"}))

    async def test_what_a_lost_peer_may_have_missed_is_in_the_log(self) -> None:
        with self.assertLogs("chatixia", "WARNING") as logs:
            async with FakeSidecar() as sidecar, make_agent(sidecar):
                await sidecar.wait_connected()
                gone = {"peer_id": "bob", "reason": "silent", "undelivered_bytes": 4096}
                sidecar.say({"type": "peer_disconnected", "payload": gone})
                sidecar.say(message_event("eve", mesh.PING, "r1", {}))
                await sidecar.wait_for_message(mesh.PONG)
        self.assertIn("4096", logs.output[0])

    async def test_comes_back_to_a_sidecar_that_was_replaced(self) -> None:
        with self.assertLogs("chatixia", "WARNING"):
            async with FakeSidecar() as sidecar, make_agent(sidecar):
                await sidecar.wait_connected()
                sidecar.hang_up()
                await sidecar.wait_connected(times=2)
                sidecar.say(message_event("bob", mesh.PING, "r1", {}))
                await sidecar.wait_for_message(mesh.PONG)

    async def test_tries_a_busy_sidecar_less_and_less_often(self) -> None:
        backoff = mock.Mock(sleep=mock.AsyncMock())
        with (
            mock.patch("chatixia.asyncio.agent.Backoff", return_value=backoff),
            self.assertLogs("chatixia", "WARNING") as logs,
        ):
            async with FakeSidecar() as sidecar, make_agent(sidecar):
                for times in range(1, 4):
                    await sidecar.wait_connected(times)
                    sidecar.say({"type": "error", "payload": {"code": "sidecar_busy"}})
                    sidecar.hang_up()
                await sidecar.wait_connected(4)
        backoff.reset.assert_not_called()
        self.assertEqual(backoff.sleep.await_count, 3)
        self.assertIn("sidecar_busy", logs.output[-1])

    async def test_tries_soon_after_a_sidecar_that_ran_well(self) -> None:
        backoff = mock.Mock(sleep=mock.AsyncMock())
        with (
            mock.patch("chatixia.asyncio.agent.Backoff", return_value=backoff),
            mock.patch("chatixia.asyncio.agent._RAN_WELL_AFTER", 0.0),
            self.assertLogs("chatixia", "WARNING"),
        ):
            async with FakeSidecar() as sidecar, make_agent(sidecar):
                await sidecar.wait_connected()
                sidecar.hang_up()
                await sidecar.wait_connected(2)
        backoff.reset.assert_called_once()


class Signals(unittest.IsolatedAsyncioTestCase):
    PROGRAM = """
import sys, time
from chatixia import Agent

agent = Agent("alice", socket_path=sys.argv[1], attach=True)

@agent.skill("block")
def block(ctx):
    ctx.emit("blocking")
    time.sleep(600)

agent.run()
"""

    async def test_a_second_signal_ends_an_agent_whose_skill_blocks(self) -> None:
        async with FakeSidecar() as sidecar:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", self.PROGRAM, sidecar.path
            )
            try:
                await sidecar.wait_connected()
                task = {"skill": "block", "args": {}}
                sidecar.say(message_event("bob", mesh.TASK_REQUEST, "r1", task))
                await sidecar.wait_for_message(mesh.TASK_STREAM_CHUNK)
                async with asyncio.timeout(20):
                    process.terminate()
                    await sidecar.hung_up.wait()
                    process.terminate()
                    self.assertEqual(await process.wait(), -signal.SIGTERM)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


class Skills(unittest.TestCase):
    def test_a_name_is_taken_once(self) -> None:
        agent = Agent("alice")
        agent.skill("echo")(lambda ctx: None)
        with self.assertRaises(ValueError):
            agent.skill("echo")(lambda ctx: None)


if __name__ == "__main__":
    unittest.main()
