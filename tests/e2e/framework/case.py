"""A test case that owns a small world and shows its logs when something fails."""

import tempfile
import unittest
from pathlib import Path
from typing import Any, TypeVar

from framework import http, programs
from framework.ipc import IpcClient
from framework.patience import PATIENCE, eventually
from framework.websocket import WebSocket

P = TypeVar("P", bound=programs.Program)


class World(unittest.TestCase):
    """Everything started here ends with the test, by its pid."""

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        self._programs: list[programs.Program] = []
        self._log_tails: list[str] = []
        before = _trouble(result)
        super().run(result)
        if _trouble(result) > before:
            programs.say("\n".join([f"\n=== logs of {self.id()}", *self._log_tails]))
        return result

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="chatixia-e2e-")
        self.addCleanup(directory.cleanup)
        self.folder = Path(directory.name)
        self.addCleanup(self._stop_all)

    def _stop_all(self) -> None:
        for program in reversed(self._programs):
            program.stop()
        self._log_tails += [f"--- {p.name}\n{p.log()}" for p in self._programs]

    def adopt(self, program: P) -> P:
        self._programs.append(program)
        return program

    # Starting things.

    def start_registry(self, port: int = 0, **environment: str) -> programs.Registry:
        self.registry = self.adopt(programs.Registry(self.folder, port, **environment))
        self.registry.wait_ready()
        return self.registry

    def launch_sidecar(self, peer: str, **environment: str) -> programs.Sidecar:
        """Does not wait for its socket."""
        key = self.registry.key(peer)
        return self.adopt(programs.Sidecar(self.folder, peer, self.registry, key, **environment))

    def start_sidecar(self, peer: str, **environment: str) -> programs.Sidecar:
        sidecar = self.launch_sidecar(peer, **environment)
        sidecar.wait_ready()
        return sidecar

    def connect(self, sidecar: programs.Sidecar) -> IpcClient:
        client = sidecar.connect()
        self.addCleanup(client.close)
        return client

    def start_peer(self, peer: str, **environment: str) -> tuple[programs.Sidecar, IpcClient]:
        """A sidecar that is on the mesh, and the agent's end of it."""
        sidecar = self.start_sidecar(peer, **environment)
        client = self.connect(sidecar)
        eventually(f"{peer} is on the mesh", lambda: client.status()["registry"]["connected"])
        return sidecar, client

    def start_pair(self, **environment: str) -> tuple[IpcClient, IpcClient]:
        """Two linked peers, `alice` and `bob`."""
        self.alice_sidecar, alice = self.start_peer("alice", **environment)
        self.bob_sidecar, bob = self.start_peer("bob", **environment)
        alice.wait_event("peer_connected", "bob")
        bob.wait_event("peer_connected", "alice")
        return alice, bob

    # The registry, raw.

    def token(self, peer: str, key: str | None = None) -> str:
        key = key or self.registry.key(peer)

        def ask() -> str | None:
            answer = self.call("POST", "/api/token", key=key)
            return str(answer.body["token"]) if answer.status == 200 else None

        return eventually(f"the registry takes the key of {peer}", ask)

    def raw_peer(self, peer: str) -> WebSocket:
        """A peer that is nothing but a WebSocket; it has registered and read the peer list."""
        websocket = WebSocket.connect(self.registry.websocket_url, self.token(peer))
        self.addCleanup(websocket.drop)
        websocket.send({"type": "register", "peer_id": peer, "payload": {}})
        self.assertEqual(websocket.receive()["type"], "peer_list")
        return websocket

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> http.Answer:
        return http.call(method, self.registry.url + path, body, **more)

    # What should still be so.

    def assert_talking(self, one: IpcClient, other: IpcClient, names: tuple[str, str]) -> None:
        """A message goes each way; the peers are named in the order of their clients."""
        for sender, receiver, source, target in (
            (one, other, names[0], names[1]),
            (other, one, names[1], names[0]),
        ):
            mark = len(receiver.events)
            answer = sender.send(target, {"type": "note", "payload": {"mark": mark}})
            self.assertEqual(answer["type"], "ok", answer)
            heard = receiver.wait_message("note", PATIENCE, mark)
            self.assertEqual(heard["from_peer"], source)
            self.assertEqual(heard["message"]["payload"], {"mark": mark})


def _trouble(result: unittest.TestResult | None) -> int:
    return len(result.failures) + len(result.errors) if result is not None else 0
