"""Three ways from agent to agent: a direct link, a TURN server between them, the task queue."""

import asyncio
import unittest
from contextlib import AsyncExitStack
from typing import Any

from chatixia.asyncio import Agent

from framework import programs
from framework.case import World
from framework.patience import PATIENCE
from framework.turn import Turn


class TierCase(World):
    def agent(self, name: str, **environment: str) -> Agent:
        """An agent of the Python package whose skill says how it was reached."""
        agent = Agent(
            name,
            registry=self.registry.url,
            key=self.registry.key(f"{name}-peer"),
            sidecar_binary=programs.program("CHATIXIA_SIDECAR"),
            socket_path=str(self.folder / f"{name}.sock"),
            heartbeat_seconds=0.2,
            sidecar_environment={
                "CHATIXIA_ICE_ADDRESSES": "127.0.0.1",
                "CHATIXIA_LOG": "warning",
                **environment,
            },
        )

        @agent.skill(f"dig_{name}")
        async def dig(ctx: Any, depth: int) -> dict[str, Any]:
            return {"depth": depth, "peer": ctx.peer}

        return agent

    async def links(self, agent: Agent) -> dict[str, dict[str, Any]]:
        status = await agent.client.status()
        return {link["peer_id"]: link for link in status["links"] if link["state"] == "open"}

    async def wait_link(self, agent: Agent, peer: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while peer not in (links := await self.links(agent)):
                await asyncio.sleep(0.02)
        return links[peer]

    async def wait_registered(self, agent: Agent, name: str) -> None:
        assert agent.registry is not None
        async with asyncio.timeout(PATIENCE):
            while name not in [record["agent_id"] for record in await agent.registry.agents()]:
                await asyncio.sleep(0.02)

    async def queued_tasks(self) -> list[Any]:
        return list((await asyncio.to_thread(self.call, "GET", "/api/hub/tasks/all")).body)

    async def delegate_over_a_link(self, path: str, **environment: str) -> None:
        async with AsyncExitStack() as stack:
            ann = await stack.enter_async_context(self.agent("ann", **environment))
            ben = await stack.enter_async_context(self.agent("ben", **environment))
            link = await self.wait_link(ann, "ben-peer")
            self.assertEqual(link["path"], path, link)
            self.assertEqual((await self.wait_link(ben, "ann-peer"))["path"], path)
            if path == "relay":
                self.assertIn("relay", link["local"].split()[0] + link["remote"].split()[0])
            await self.wait_registered(ann, "ben")
            result = await ann.delegate("dig_ben", {"depth": 3}, timeout=PATIENCE)
            self.assertEqual(result, {"depth": 3, "peer": "ann-peer"})
            self.assertEqual(await self.queued_tasks(), [])
            topology = await asyncio.to_thread(self.call, "GET", "/api/hub/network/topology")
            edges = topology.body["mesh_edges"]
            self.assertEqual([edge["path"] for edge in edges], [path], edges)


class Direct(TierCase):
    def test_a_direct_link(self) -> None:
        self.start_registry()
        asyncio.run(self.delegate_over_a_link("direct"))


class Relay(TierCase):
    def test_a_relayed_link_with_credentials_from_the_registry(self) -> None:
        turn = self.adopt(Turn(self.folder))
        turn.wait_ready()
        self.start_registry(TURN_URL=turn.url, TURN_SECRET=turn.secret)
        asyncio.run(self.delegate_over_a_link("relay", ICE_TRANSPORT_POLICY="relay"))


class Queue(TierCase):
    def test_the_queue_when_there_is_no_path(self) -> None:
        self.start_registry()

        async def life() -> None:
            async with self.agent("ann") as ann:
                # Ben was here, and is known, but is not on the mesh when the task is delegated.
                async with self.agent("ben"):
                    await self.wait_registered(ann, "ben")
                waiting = asyncio.create_task(
                    ann.delegate("dig_ben", {"depth": 5}, target="ben", timeout=3 * PATIENCE)
                )
                async with asyncio.timeout(PATIENCE):
                    while not await self.queued_tasks():
                        await asyncio.sleep(0.02)
                self.assertFalse(waiting.done())
                async with self.agent("ben"):
                    self.assertEqual(await waiting, {"depth": 5, "peer": ""})
                states = [task["state"] for task in await self.queued_tasks()]
                self.assertEqual(states, ["completed"])

        asyncio.run(life())


if __name__ == "__main__":
    unittest.main()
