"""Starts a sidecar as a child and waits until it listens."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Self

from chatixia.errors import SidecarGone

_LOOK_EVERY: Final = 0.1
_READY_WITHIN: Final = 5.0
_STOPS_WITHIN: Final = 5.0


def find_binary(configured: str | None = None) -> str:
    """The configured path, then SIDECAR_BINARY, then `chatixia-sidecar` on PATH."""
    found = configured or os.environ.get("SIDECAR_BINARY") or shutil.which("chatixia-sidecar")
    if not found:
        raise SidecarGone(
            "no sidecar program was found",
            hint="set SIDECAR_BINARY or put chatixia-sidecar on PATH",
        )
    return found


class SidecarProcess:
    """A sidecar that belongs to this agent and ends with it."""

    def __init__(
        self, process: asyncio.subprocess.Process, socket_path: str, own_directory: str | None
    ) -> None:
        self._process = process
        self._own_directory = own_directory
        self.socket_path = socket_path

    @classmethod
    async def start(
        cls,
        *,
        binary: str | None = None,
        socket_path: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Starts the program with IPC_SOCKET set.

        It ends when the thread that this runs in does, which is the kernel's notion of a parent.
        """
        program = find_binary(binary)
        own_directory = None
        try:
            # mkdtemp makes a directory that only this user can enter.
            own_directory = None if socket_path else tempfile.mkdtemp(prefix="chatixia-")
            path = socket_path or os.path.join(own_directory or "", "sidecar.sock")
            process = await asyncio.create_subprocess_exec(
                program,
                env={
                    **os.environ,
                    **(environment or {}),
                    "IPC_SOCKET": path,
                    # So that it ends with us, however we end.
                    "CHATIXIA_PARENT_PID": str(os.getpid()),
                },
                stdin=asyncio.subprocess.DEVNULL,
                # Ctrl-C in a terminal is the agent's to handle; it then stops its sidecar.
                start_new_session=True,
            )
        except OSError as problem:
            _remove(own_directory)
            raise SidecarGone(f"the sidecar could not be started: {problem}") from None
        return cls(process, path, own_directory)

    async def wait_until_ready(self, connect: Callable[[], Awaitable[None]]) -> None:
        """Tries `connect` until it succeeds; a socket that a dead sidecar left does not count."""
        deadline = asyncio.get_running_loop().time() + _READY_WITHIN
        while True:
            try:
                return await connect()
            except SidecarGone:
                if self._process.returncode is not None:
                    raise SidecarGone(
                        f"the sidecar ended with status {self._process.returncode} at its start"
                    ) from None
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(_LOOK_EVERY)

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_served_by(self, pid: int) -> bool:
        """Is that the child, or a process it started, as a wrapper does? It has its own session."""
        try:
            return pid == self.pid or os.getsid(pid) == self.pid
        except OSError:
            return False

    async def wait(self) -> int:
        return await self._process.wait()

    async def stop(self) -> None:
        """Asks it to say goodbye to its peers, and insists after a while."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOPS_WITHIN):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
        await self._process.wait()
        _remove(self._own_directory)

    def _signal(self, number: signal.Signals) -> None:
        # Process.send_signal() would collect a dead child before asyncio does, which then warns.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


def _remove(directory: str | None) -> None:
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)
