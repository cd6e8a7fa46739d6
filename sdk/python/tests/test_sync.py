"""The blocking face does what the asyncio face does."""

import asyncio
import threading
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from support import FakeSidecar, Script, message_event, ok

from chatixia.errors import SidecarGone
from chatixia.protocol import mesh
from chatixia.sync import MeshClient


@contextmanager
def running_sidecar(script: Script) -> Iterator[tuple[FakeSidecar, asyncio.AbstractEventLoop]]:
    """A fake sidecar in a thread of its own."""
    started: list[Any] = []
    ready = threading.Event()

    async def serve() -> None:
        stop = asyncio.Event()
        async with FakeSidecar(script) as sidecar:
            started.extend([sidecar, asyncio.get_running_loop(), stop])
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    sidecar, loop, stop = started
    try:
        yield sidecar, loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def counting(command: dict[str, Any]) -> list[dict[str, Any]] | None:
    if command["type"] == "list_peers":
        peers = {"type": "peer_list", "id": command["id"], "payload": {"peers": ["bob"]}}
        return [peers, ok(command)]
    if command["type"] != "send":
        return None
    request_id = command["payload"]["message"]["request_id"]
    chunks = [
        message_event("bob", mesh.TASK_STREAM_CHUNK, request_id, {"text": text}) for text in "abc"
    ]
    answer = message_event("bob", mesh.TASK_RESPONSE, request_id, {"result": 3})
    return [ok(command), *chunks, answer]


class Blocking(unittest.TestCase):
    def test_calls_and_streams(self) -> None:
        with (
            running_sidecar(counting) as (sidecar, _),
            MeshClient(sidecar.path, agent_id="alice") as client,
        ):
            self.assertEqual(client.list_peers(), ["bob"])
            self.assertEqual(client.call("bob", "count"), 3)
            self.assertEqual(list(client.stream("bob", "count")), ["a", "b", "c"])
            self.assertEqual(next(client.stream("bob", "count")), "a")
            client.connect("bob")
            client.broadcast(mesh.Message("hello"))
            self.assertGreater(client.ping("bob"), 0)

    def test_serves_several_threads_at_once(self) -> None:
        with running_sidecar(counting) as (sidecar, _), MeshClient(sidecar.path) as client:
            results: list[Any] = []
            threads = [
                threading.Thread(target=lambda: results.append(client.call("bob", "count")))
                for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(results, [3] * 8)

    def test_a_dead_sidecar_ends_a_waiting_call(self) -> None:
        with (
            running_sidecar(lambda command: []) as (sidecar, loop),
            MeshClient(sidecar.path) as client,
        ):
            loop.call_soon_threadsafe(loop.call_later, 0.1, sidecar.hang_up)
            with self.assertRaises(SidecarGone):
                client.list_peers(timeout=600)

    def test_a_handler_that_calls_its_own_client_is_told(self) -> None:
        caught: list[BaseException] = []
        heard = threading.Event()

        def handler(*_: object) -> None:
            try:
                client.list_peers()
            except RuntimeError as problem:
                caught.append(problem)
            heard.set()

        with running_sidecar(counting) as (sidecar, loop):
            client = MeshClient(sidecar.path, on_event=handler)
            client.list_peers()
            event = {"type": "peer_connected", "payload": {"peer_id": "bob"}}
            loop.call_soon_threadsafe(sidecar.say, event)
            self.assertTrue(heard.wait(10))
            client.close()
            client.close()
        self.assertEqual(len(caught), 1)

    def test_a_close_that_fails_leaves_no_thread_behind(self) -> None:
        before = threading.active_count()
        with running_sidecar(counting) as (sidecar, _):
            client = MeshClient(sidecar.path)
            close = client._client.close

            async def fail() -> None:
                await close()
                raise OSError("no luck")

            with mock.patch.object(client._client, "close", fail), self.assertRaises(OSError):
                client.close()
        self.assertEqual(threading.active_count(), before)

    def test_nobody_behind_the_socket_leaves_no_thread_behind(self) -> None:
        before = threading.active_count()
        with self.assertRaises(SidecarGone):
            MeshClient("/nonexistent/sidecar.sock")
        self.assertEqual(threading.active_count(), before)


if __name__ == "__main__":
    unittest.main()
