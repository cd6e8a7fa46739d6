#!/usr/bin/env python3
"""The smallest agent: three skills that anybody on the mesh may call.

Settings come from the environment: REGISTRY_URL, API_KEY and AGENT_ID; SIDECAR_BINARY is the
sidecar to start, or IPC_SOCKET one that runs already. PYTHONPATH=sdk/python/src runs it from a
checkout.
"""

import logging
import os

from chatixia import Agent, Context

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

agent = Agent(
    os.environ.get("AGENT_ID", "python-example"),
    registry=os.environ.get("REGISTRY_URL", "http://127.0.0.1:8080"),
    key=os.environ.get("API_KEY", ""),
    socket_path=os.environ.get("IPC_SOCKET"),
    attach="IPC_SOCKET" in os.environ,
)


@agent.skill("echo")
async def echo(ctx: Context, text: str = "") -> dict[str, str]:
    """Says again what it was told."""
    return {"text": text}


@agent.skill("spell")
async def spell(ctx: Context, text: str) -> dict[str, int]:
    """Says a text letter by letter."""
    for letter in text:
        await ctx.emit(letter)
    return {"letters": len(text)}


@agent.skill("ask")
async def ask(ctx: Context, skill: str, args: dict, target: str | None = None) -> object:
    """Passes a task on to another agent, over the mesh or through the registry's queue."""
    return await agent.delegate(skill, args, target=target, timeout=30)


if __name__ == "__main__":
    agent.run()
