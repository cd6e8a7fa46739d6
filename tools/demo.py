"""Shows a small mesh at work, with the real programs, on loopback.

A registry, a C++ agent and a Python agent, each with its own sidecar: they find each other, open a
WebRTC DataChannel, delegate a task with a streamed result, and go on talking without the registry.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "sdk/python/src"))

from chatixia.asyncio import Agent, RegistryClient, http  # noqa: E402
from chatixia.errors import MeshError  # noqa: E402

STARTED = time.monotonic()
PATIENCE = 20.0  # seconds for any one step; each takes milliseconds
PINGS = 10
TEXT = "agents find each other and work together directly"


class DemoFailure(Exception):
    """What failed, for the person who watches."""


def say(who: str, what: str) -> None:
    print(f"{time.monotonic() - STARTED:7.3f}s  {who:<9} {what}", flush=True)


class Process:
    """A program of ours with its log in a file; ended by SIGTERM, which must end it cleanly."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @classmethod
    async def start(
        cls, name: str, folder: Path, *command: str, environment: dict[str, str] | None = None
    ) -> "Process":
        log = folder / f"{name}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                env={**os.environ, **(environment or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches the demo, which then ends them in order
            )
        return cls(name, process, log)

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self.process.stdout.readline()
        if not line:
            raise DemoFailure(f"{self.name} ended at its start: {self.tail()}")
        return line.decode()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:].strip()

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE):
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()
            raise DemoFailure(f"{self.name} did not end on SIGTERM") from None
        if code != 0:
            raise DemoFailure(f"{self.name} ended with code {code}: {self.tail()}")


class Demo:
    def __init__(self, build: Path, folder: Path) -> None:
        self.build, self.folder = build, folder
        self.url = ""
        self.summary: list[str] = []

    def program(self, name: str) -> str:
        for place in ("apps", "examples", "."):
            if (path := self.build / place / name).exists():
                return str(path)
        raise DemoFailure(f"{name} is not built in {self.build}; run ./dev demo")

    @contextlib.asynccontextmanager
    async def running(self, process: Process) -> AsyncIterator[Process]:
        """Ends the process in any case, but hides no failure that came first."""
        try:
            yield process
        except BaseException:
            with contextlib.suppress(DemoFailure):
                await process.stop()
            raise
        await process.stop()

    async def start_registry(self) -> Process:
        process = await Process.start(
            "registry", self.folder, self.program("chatixia-registry"),
            "--json", "--port=0", f"--state-dir={self.folder / 'registry'}",
        )  # fmt: skip
        self.url = json.loads(await process.line())["url"].rstrip("/")
        say("registry", f"listening on {self.url}")
        return process

    async def make_key(self, peer: str) -> str:
        process = await Process.start(
            f"key-{peer}", self.folder, self.program("chatixia-registry"),
            "key", "add", peer, f"--state-dir={self.folder / 'registry'}",
        )  # fmt: skip
        output, _ = await process.process.communicate()
        if process.process.returncode != 0:
            raise DemoFailure(f"no key for {peer}: {process.tail()}")
        say("registry", f"made a key for {peer}")
        return output.decode().strip().splitlines()[-1]

    def agent_environment(self) -> dict[str, str]:
        return {
            "REGISTRY_URL": self.url,
            "SIDECAR_BINARY": self.program("chatixia-sidecar"),
            "CHATIXIA_ICE_ADDRESSES": "127.0.0.1",
        }

    async def start_cpp_agent(self, key: str) -> Process:
        environment = self.agent_environment() | {
            "API_KEY": key,
            "AGENT_ID": "ada",
        }
        return await Process.start(
            "ada", self.folder, self.program("example_agent"), environment=environment
        )

    def python_agent(self, key: str) -> Agent:
        agent = Agent(
            "bob",
            registry=self.url,
            key=key,
            sidecar_binary=self.program("chatixia-sidecar"),
            socket_path=str(self.folder / "bob" / "ipc.sock"),
            sidecar_environment=self.agent_environment() | {"CHATIXIA_LOG": "error"},
        )

        @agent.skill("shout")
        def shout(ctx: Any, text: str) -> str:
            """Says it louder."""
            return text.upper()

        return agent

    async def wait_here(self, name: str) -> None:
        """The agent is in the directory, and its sidecar is on the mesh."""
        registry = RegistryClient(self.url)
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await http.fetch("GET", f"{self.url}/api/hub/network/topology")
                nodes = answer.body["nodes"]
                if name in {node["agent_id"] for node in nodes if node["connected"]}:
                    break
                await asyncio.sleep(0.02)
            record = await registry.agent(name)
        skills = ", ".join(skill_names(record)) or "none"
        say("registry", f"agent {name} is here as {record['sidecar_peer_id']}; skills: {skills}")

    async def wait_link(self, agent: Agent, peer: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while True:
                for link in (await agent.client.status())["links"]:
                    if link["peer_id"] == peer and link["state"] == "open":
                        return link
                await asyncio.sleep(0.01)

    async def wait_alone(self, agent: Agent) -> str:
        """Until the sidecar has noticed that the registry is gone; its reason."""
        async with asyncio.timeout(PATIENCE):
            while (registry := (await agent.client.status())["registry"])["connected"]:
                await asyncio.sleep(0.01)
        return str(registry["last_error"])

    async def show_task(self, agent: Agent, peer: str) -> None:
        say("bob", f'delegates word_count("{TEXT}") to ada')
        chunks: list[str] = []

        def on_chunk(text: str) -> None:
            chunks.append(text)
            say("ada", f"  streams: {text.strip()}")

        result = await agent.call(peer, "word_count", {"text": TEXT}, on_chunk=on_chunk)
        if not chunks or str(len(TEXT.split())) not in json.dumps(result):
            raise DemoFailure(f"the task gave {result!r} with {len(chunks)} chunks")
        say("bob", f"has the result: {json.dumps(result)}")

    async def show_pings(self, agent: Agent, peer: str, count: int) -> float:
        times = []
        for _ in range(count):
            times.append(await agent.client.ping(peer) * 1000)
            await asyncio.sleep(0.02)
        middle = statistics.median(times)
        say("bob", f"{count} pings to ada: " + " ".join(f"{t:.2f}" for t in times) + " ms")
        say("bob", f"  round trip from agent to agent: median {middle:.2f} ms, min {min(times):.2f} ms, max {max(times):.2f} ms")
        return middle

    async def run(self, stay: bool) -> None:
        registry = await self.start_registry()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.running(registry))
            ada_key = await self.make_key("ada-sidecar")
            bob_key = await self.make_key("bob-sidecar")
            await stack.enter_async_context(self.running(await self.start_cpp_agent(ada_key)))
            say("ada", "started: a C++ agent and its sidecar")
            # The newcomer offers, and only the side that offers waits for signaling: bob, then,
            # whose sidecar can be asked.
            await self.wait_here("ada")
            agent = await stack.enter_async_context(self.python_agent(bob_key))
            say("bob", "started: a Python agent and its sidecar")

            await self.wait_here("bob")
            link = await self.wait_link(agent, "ada-sidecar")
            phases = link["phases_ms"]
            parts = ", ".join(f"{name} {phases[name]:.1f}" for name in ("signaling", "ice", "dtls", "sctp"))
            say("link", f"bob <-> ada open after {phases['total']:.1f} ms ({parts})")
            say("link", f"path: {link['path']}, {link['local']} -> {link['remote']}")
            self.summary.append(f"link open after {phases['total']:.1f} ms, path {link['path']}")

            await self.show_task(agent, "ada-sidecar")
            middle = await self.show_pings(agent, "ada-sidecar", PINGS)
            self.summary.append(f"round trip from agent to agent {middle:.2f} ms (median of {PINGS})")
            if stay:
                await self.stay()
                return

            await registry.stop()
            say("registry", "stopped; the agents have only each other now")
            say("bob", f"its sidecar noticed: {await self.wait_alone(agent)}; it will keep trying")
            await self.show_task(agent, "ada-sidecar")
            await self.show_pings(agent, "ada-sidecar", 3)
            self.summary.append("agents kept talking without the registry")
        say("all", "agents and sidecars have shut down cleanly")

    async def stay(self) -> None:
        socket = self.folder / "bob" / "ipc.sock"
        print(f"""
Everything goes on running until Ctrl-C. To play with it:
  curl -s {self.url}/api/registry/agents | python3 -m json.tool
  curl -s {self.url}/api/hub/network/topology
  curl -s '{self.url}/api/registry/route?skill=word_count'
  curl -s -X POST {self.url}/api/hub/tasks -d '{{"skill": "shout", "payload": {{"text": "hello"}}}}'
  (then GET {self.url}/api/hub/tasks/<task_id> for its result)
Logs are in {self.folder}; bob's sidecar listens on {socket}.""", flush=True)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await stopped.wait()
        print()
        say("all", "shutting down")


def skill_names(record: dict[str, Any]) -> list[str]:
    skills = (record.get("capabilities") or {}).get("skills") or []
    return [skill if isinstance(skill, str) else skill.get("name", "?") for skill in skills]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: ./dev demo --stay"
    )
    parser.add_argument("--build", type=Path, required=True, help="the build folder with the programs")
    parser.add_argument("--stay", action="store_true", help="leave everything running until Ctrl-C")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chatixia-demo-") as folder:
        os.chmod(folder, 0o700)
        demo = Demo(arguments.build.resolve(), Path(folder))
        try:
            asyncio.run(demo.run(arguments.stay))
        except (DemoFailure, MeshError, TimeoutError, OSError) as problem:
            print(f"\ndemo failed: {problem or 'a step took too long'}", file=sys.stderr)
            for log in sorted(Path(folder).glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}", file=sys.stderr)
            return 1
    if not arguments.stay:
        print("\nsummary")
        for line in demo.summary:
            print(f"  {line}")
        print(f"  all done in {time.monotonic() - STARTED:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
