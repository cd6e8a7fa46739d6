"""A sidecar that belongs to its agent: started, recognised, ended."""

import asyncio
import os
import socket
import stat
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from support import FakeSidecar

from chatixia.asyncio import MeshClient
from chatixia.errors import MeshError, SidecarBusy, SidecarGone


class Launch(unittest.IsolatedAsyncioTestCase):
    """A shell script stands for the sidecar program."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def program(self, text: str) -> str:
        path = self.directory / "sidecar"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    async def launch_slow_server(
        self, socket_path: str | None = None, *, wrapped: bool = False
    ) -> MeshClient:
        server = (
            "import asyncio, os\n"
            "path = os.environ['IPC_SOCKET']\n"
            "if os.path.exists(path): os.unlink(path)\n"
            "async def main():\n"
            "    async def serve(reader, writer):\n"
            "        await reader.read()\n"
            "        writer.close()\n"
            "    server = await asyncio.start_unix_server(serve, path)\n"
            "    await server.serve_forever()\n"
            "asyncio.run(main())\n"
        )
        script = self.directory / "server.py"
        script.write_text(server)
        run = "trap 'kill $!' TERM; {} & wait" if wrapped else "exec {}"
        binary = self.program("sleep 0.3; " + run.format(f"/usr/bin/python3 {script}") + "\n")
        return await MeshClient.launch(binary=binary, socket_path=socket_path)

    async def test_waits_for_the_socket_of_its_child_and_ends_the_child(self) -> None:
        client = await self.launch_slow_server()
        self.assertTrue(client.is_open)
        await client.close()
        self.assertFalse(client.is_open)

    async def test_is_not_misled_by_a_socket_that_a_dead_sidecar_left(self) -> None:
        path = str(self.directory / "left.sock")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
        client = await self.launch_slow_server(path)
        self.assertTrue(client.is_open)
        await client.close()

    async def test_does_not_take_another_sidecar_for_its_child(self) -> None:
        async with FakeSidecar() as other:
            with self.assertRaises(SidecarBusy) as caught:
                await MeshClient.launch(binary=self.program("exec sleep 60\n"), socket_path=other.path)
            await other.wait_connected()
            self.assertIn(other.path, caught.exception.message)
            self.assertEqual(other.commands, [])

    async def test_takes_a_sidecar_that_its_child_started(self) -> None:
        client = await self.launch_slow_server(wrapped=True)
        self.assertTrue(client.is_open)
        await client.close()

    async def test_an_early_exit_is_reported_at_once(self) -> None:
        with self.assertRaises(SidecarGone) as caught:
            async with asyncio.timeout(4):
                await MeshClient.launch(binary=self.program("exit 3\n"))
        self.assertIn("status 3", caught.exception.message)

    async def test_a_program_that_is_not_there_is_a_clear_error(self) -> None:
        with self.assertRaises(MeshError):
            await MeshClient.launch(binary="/nonexistent/chatixia-sidecar")

    async def test_a_place_for_the_socket_that_cannot_be_made_is_a_clear_error(self) -> None:
        with (
            mock.patch("tempfile.mkdtemp", side_effect=OSError("disk full")),
            self.assertRaises(SidecarGone) as caught,
        ):
            await MeshClient.launch(binary=self.program("exit 1\n"))
        self.assertIn("disk full", caught.exception.message)

    async def test_the_child_hears_whom_it_belongs_to(self) -> None:
        binary = self.program(
            f'echo "$CHATIXIA_PARENT_PID $PPID" > {self.directory}/parent\nexit 1\n'
        )
        with self.assertRaises(SidecarGone):
            await MeshClient.launch(binary=binary, environment={"CHATIXIA_PARENT_PID": "1"})
        parent = (self.directory / "parent").read_text().split()
        self.assertEqual(parent, [str(os.getpid())] * 2)

    async def test_the_socket_lives_where_only_this_user_can_go_and_leaves_nothing(self) -> None:
        binary = self.program(
            f'echo "$IPC_SOCKET" > {self.directory}/path\n'
            f'stat -c %a "$(dirname "$IPC_SOCKET")" > {self.directory}/mode\n'
            "exit 1\n"
        )
        with self.assertRaises(SidecarGone):
            await MeshClient.launch(binary=binary)
        socket_path = (self.directory / "path").read_text().strip()
        self.assertEqual((self.directory / "mode").read_text().strip(), "700")
        self.assertFalse(os.path.exists(os.path.dirname(socket_path)))


if __name__ == "__main__":
    unittest.main()
