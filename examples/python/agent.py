#!/usr/bin/env python3
"""The smallest agent: three skills that anybody on the mesh may call.

Settings come from the environment: REGISTRY_URL, API_KEY, AGENT_ID, and for the sidecar
SIDECAR_BINARY and IPC_SOCKET. PYTHONPATH=sdk/python/src runs it from a checkout.
"""

import asyncio
import logging
import os

from chatixia import Agent, Context

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

agent = Agent(
    os.environ.get("AGENT_ID", "python-example"),
    registry=os.environ.get("REGISTRY_URL", "http://127.0.0.1:8080"),
    key=os.environ.get("API_KEY", ""),
    socket_path=os.environ.get("IPC_SOCKET"),
)


@agent.skill("echo")
async def echo(ctx: Context, text: str = "") -> dict[str, str]:
    """Says again what it was told."""
    return {"text": text}


@agent.skill("count")
async def count(ctx: Context, to: int = 3) -> int:
    """Counts aloud, one number at a time."""
    for number in range(1, min(to, 100) + 1):
        await ctx.emit(str(number))
        await asyncio.sleep(0.05)
    return to


@agent.skill("ask")
async def ask(ctx: Context, skill: str, args: dict, target: str | None = None) -> object:
    """Passes a task on to another agent, over the mesh or through the registry's queue."""
    return await agent.delegate(skill, args, target=target, timeout=30)


if __name__ == "__main__":
    agent.run()
