"""An agent in C++ and one in Python, each with its sidecar: they need the registry to meet, and
nobody once they have met."""

import asyncio
import os
import signal
import time
import unittest

from chatixia.asyncio import Agent, Context
from chatixia.errors import PeerLost, SidecarGone, UnknownSkill, Unreachable
from chatixia.protocol import ipc, mesh
from chatixia.sync import MeshClient

from framework import programs
from framework.case import World
from framework.patience import PATIENCE, eventually

TEXT = "agents find each other"


class Agents(World):
    """The tester takes part as a third peer, through the Python package's blocking face."""

    def setUp(self) -> None:
        super().setUp()
        programs.program("CHATIXIA_EXAMPLE_AGENT")
        self.start_registry()

    def start_python(self, name: str = "pat") -> programs.PythonAgent:
        key = self.registry.key(f"{name}-peer")
        return self.adopt(programs.PythonAgent(self.folder, name, self.registry, key))

    def start_cpp(self, name: str = "cleo", *words: str) -> programs.CppAgent:
        key = self.registry.key(f"{name}-peer")
        return self.adopt(programs.CppAgent(self.folder, name, self.registry, key, *words))

    def join(self, peer: str = "tester") -> MeshClient:
        sidecar = self.start_sidecar(peer)
        self.events: list[ipc.EventBody] = []
        client = MeshClient(
            str(sidecar.socket_path), on_event=lambda _, event: self.events.append(event)
        )
        self.addCleanup(client.close)
        return client

    def wait_peers(self, client: MeshClient, *peers: str) -> None:
        eventually(f"links to {peers}", lambda: set(peers) <= set(client.list_peers()))

    def wait_gone(self, client: MeshClient, peer: str) -> None:
        eventually(f"{peer} is gone", lambda: peer not in client.list_peers())

    def wait_registered(self, *agents: str) -> None:
        def registered() -> bool:
            answer = self.call("GET", "/api/registry/agents")
            return set(agents) <= {record["agent_id"] for record in answer.body}

        eventually(f"{agents} are registered", registered)

    def assert_both_answer(self, client: MeshClient) -> None:
        self.assertEqual(client.call("pat-peer", "echo", {"text": TEXT}), {"text": TEXT})
        words = {"words": len(TEXT.split())}
        self.assertEqual(client.call("cleo-peer", "word_count", {"text": TEXT}), words)

    def test_they_call_each_other_with_and_without_the_registry(self) -> None:
        self.start_python()
        self.start_cpp()
        tester = self.join()
        self.wait_peers(tester, "pat-peer", "cleo-peer")
        self.wait_registered("pat", "cleo")
        self.assert_both_answer(tester)

        # Pings, questions, streams, refusals.
        for peer in ("pat-peer", "cleo-peer"):
            self.assertLess(tester.ping(peer), PATIENCE)
        for peer, skill in (("pat-peer", "spell"), ("cleo-peer", "word_count")):
            query = mesh.Message(mesh.SKILL_QUERY, payload={"skill": skill})
            answer = tester.request(peer, query)
            self.assertTrue(mesh.SkillResponse.parse(answer.payload).available)
            with self.assertRaisesRegex(UnknownSkill, "fly"):
                tester.call(peer, "fly")
        self.assertEqual(list(tester.stream("pat-peer", "spell", {"text": "abc"})), ["a", "b", "c"])
        words = list(tester.stream("cleo-peer", "word_count", {"text": TEXT}))
        self.assertEqual(words, TEXT.split())

        # Python calls C++, and C++ calls Python.
        args = {"skill": "word_count", "args": {"text": TEXT}, "target": "cleo"}
        self.assertEqual(tester.call("pat-peer", "ask", args), {"words": len(TEXT.split())})
        caller = self.start_cpp("carl", "call", "pat", "spell", "abc")
        self.assertEqual(caller.wait(), 0)
        said = caller.log().splitlines()
        letters = [line for line in said if line.startswith("... ")]
        self.assertEqual(letters, ["... a", "... b", "... c"])
        self.assertIn('{"letters":3}', said)
        topology = self.call("GET", "/api/hub/network/topology").body
        edges = {frozenset((edge["from_peer"], edge["to_peer"])) for edge in topology["mesh_edges"]}
        self.assertIn(frozenset(("pat-peer", "cleo-peer")), edges)

        # Without the registry nothing is lost.
        port = self.registry.port
        self.assertEqual(self.registry.terminate(), 0)
        eventually("the sidecar notices", lambda: not tester.status()["registry"]["connected"])
        self.assert_both_answer(tester)
        self.assertEqual(set(tester.list_peers()), {"pat-peer", "cleo-peer"})

        # It returns, and a newcomer finds everybody.
        self.start_registry(port)
        eventually("it is found again", lambda: tester.status()["registry"]["connected"])
        # The directory starts empty, and agents do not wait for their next heartbeat.
        self.wait_registered("pat", "cleo")
        self.start_python("nora")
        self.wait_peers(tester, "pat-peer", "cleo-peer", "nora-peer")
        self.assert_both_answer(tester)
        self.wait_registered("nora")
        # No link was made anew for the registry's sake; Carl left by himself.
        lost = [e.peer_id for e in self.events if isinstance(e, ipc.PeerDisconnected)]
        self.assertEqual(lost, ["carl-peer"])

    def test_an_agent_that_ends_says_goodbye(self) -> None:
        agents = {"pat-peer": self.start_python(), "cleo-peer": self.start_cpp()}
        tester = self.join()
        self.wait_peers(tester, *agents)
        for peer, agent in agents.items():
            started = time.monotonic()
            agent.process.terminate()
            self.wait_gone(tester, peer)
            self.assertLess(time.monotonic() - started, 2.0)
            self.assertEqual(agent.wait(), 0)
        gone = {event.peer_id for event in self.events if isinstance(event, ipc.PeerDisconnected)}
        self.assertEqual(gone, set(agents))

    def test_an_agent_that_is_killed_leaves_no_sidecar_behind(self) -> None:
        agents = {"pat-peer": self.start_python(), "cleo-peer": self.start_cpp()}
        tester = self.join()
        self.wait_peers(tester, *agents)
        for peer, agent in agents.items():
            started = time.monotonic()
            agent.process.kill()
            self.wait_gone(tester, peer)
            # That was a goodbye; a peer that only falls silent is waited for.
            self.assertLess(time.monotonic() - started, 5.0)


class Supervision(World):
    """What the Python package does for an agent whose sidecar dies."""

    def setUp(self) -> None:
        super().setUp()
        self.start_registry()

    def agent(self, name: str) -> Agent:
        agent = Agent(
            name,
            registry=self.registry.url,
            key=self.registry.key(f"{name}-peer"),
            sidecar_binary=programs.program("CHATIXIA_SIDECAR"),
            socket_path=str(self.folder / f"{name}.sock"),
            sidecar_environment={
                "CHATIXIA_ICE_ADDRESSES": "127.0.0.1",
                "CHATIXIA_LOG": "error",
            },
        )

        @agent.skill("echo")
        async def echo(ctx: Context, text: str) -> str:
            return text

        @agent.skill("sleep")
        async def sleep(ctx: Context) -> None:
            await asyncio.sleep(600)

        return agent

    def test_a_killed_sidecar_fails_calls_at_once_and_is_replaced(self) -> None:
        async def life() -> None:
            async with self.agent("ann") as ann, self.agent("ben") as ben:
                await self.call_until_linked(ann)
                before = ann.client
                assert before.sidecar is not None
                calls = [
                    asyncio.create_task(ann.call("ben-peer", "sleep", timeout=600))
                    for _ in range(3)
                ]
                await ann.call("ben-peer", "echo", {"text": "they are all under way"})
                os.kill(before.sidecar.pid, signal.SIGKILL)
                async with asyncio.timeout(2):
                    outcomes = await asyncio.gather(*calls, return_exceptions=True)
                self.assertEqual({type(outcome) for outcome in outcomes}, {SidecarGone})
                # The same agent goes on with another sidecar, and so does its peer.
                await self.call_until_linked(ann)
                self.assertIsNot(ann.client, before)
                self.assertEqual(await ben.call("ann-peer", "echo", {"text": "hi"}), "hi")

        with self.assertLogs("chatixia", "WARNING"):
            asyncio.run(life())

    async def call_until_linked(self, agent: Agent) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await agent.call("ben-peer", "echo", {"text": "hello"})
                    return
                except (Unreachable, SidecarGone, PeerLost):
                    await asyncio.sleep(0.05)


class Sidecars(World):
    """The same promises without any agent's help."""

    def setUp(self) -> None:
        super().setUp()
        self.start_registry()

    def test_a_sidecar_that_is_asked_to_end_says_goodbye(self) -> None:
        alice, _ = self.start_pair()
        started = time.monotonic()
        self.bob_sidecar.process.terminate()
        gone = alice.wait_event("peer_disconnected", "bob")
        self.assertLess(time.monotonic() - started, 2.0)
        self.assertTrue(gone["payload"]["reason"])
        self.assertEqual(self.bob_sidecar.wait(), 0)
        self.assertFalse(self.bob_sidecar.socket_path.exists())

    def test_links_outlive_the_registry(self) -> None:
        alice, bob = self.start_pair()
        port = self.registry.port
        self.registry.kill()  # without a goodbye
        eventually("alice notices", lambda: not alice.status()["registry"]["connected"])
        self.assertTrue(alice.status()["registry"]["last_error"])
        self.assert_talking(alice, bob, ("alice", "bob"))
        self.start_registry(port)
        _, carol = self.start_peer("carol")
        carol.wait_event("peer_connected", "alice")
        carol.wait_event("peer_connected", "bob")
        self.assert_talking(alice, bob, ("alice", "bob"))
        kinds = [event["type"] for event in alice.events + bob.events]
        self.assertNotIn("peer_disconnected", kinds)

    def test_the_agent_may_leave_and_come_back(self) -> None:
        alice, bob = self.start_pair()
        bob.close()
        self.assertEqual(alice.send("bob", {"type": "note", "payload": {"n": 1}})["type"], "ok")
        bob = self.connect(self.bob_sidecar)
        bob.wait_event("peer_connected", "alice")
        self.assertEqual(bob.wait_message("note")["message"]["payload"], {"n": 1})
        self.assert_talking(alice, bob, ("alice", "bob"))


if __name__ == "__main__":
    unittest.main()
