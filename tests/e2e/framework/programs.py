"""The programs under test: each with its own folder, free ports, a log, and an end by its pid."""

import ctypes
import json
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from framework.ipc import IpcClient
from framework.patience import PATIENCE, eventually

ROOT = Path(__file__).resolve().parents[3]
PYTHON = "/usr/bin/python3"

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_LOG_BYTES_SHOWN = 6000


def program(variable: str) -> str:
    """The path of a built program; the build hands it over in the environment."""
    path = os.environ.get(variable, "")
    if not path or not os.access(path, os.X_OK):
        raise AssertionError(f"{variable} names no program: {path!r}")
    return path


def die_with_parent() -> None:
    """For a child before it becomes its program: not even a killed test leaves it behind."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """One process; what it prints is a log, and its standard output can be awaited by line.

    Making one starts it; wait_ready() is a step of its own, so that whoever ends it has it by then.
    """

    def __init__(self, name: str, folder: Path, command: list[str], **environment: str) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._lines: queue.Queue[str | None] = queue.Queue()
        # Nothing of the tester's own settings may decide what a test finds.
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        sanitizers = {key: text for key, text in os.environ.items() if key.endswith("SAN_OPTIONS")}
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=inherited | sanitizers | environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.decode(errors="replace"))
            with self.log_path.open("ab") as log:
                log.write(line)
        self._lines.put(None)

    def next_line(self) -> str:
        try:
            line = self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"{self.name} printed nothing") from None
        if line is None:
            raise AssertionError(f"{self.name} ended with {self.process.wait()}: {self.log()}")
        return line

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")[-_LOG_BYTES_SHOWN:]

    def memory_kib(self) -> int:
        """What it holds in memory now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def terminate(self) -> int:
        """Asks it to end, and tells how it ended."""
        if self.is_running:
            self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        # A child of it may hold the pipe for longer.
        self._reader.join(1)
        return code

    def stop(self) -> None:
        """Ends it in any case, but lets it end its own children first."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.wait()

    def kill(self) -> None:
        if self.is_running:
            self.process.kill()
        self.wait()


# Peers whose keys are there from the start; a running registry learns others within a second.
_PEERS = [
    *("alice", "bob", "carol", "ghost", "good", "other", "evil", "one", "two"),
    *("one-sidecar", "two-sidecar", "worker-sidecar", "boss-sidecar", "bare-sidecar", "tester"),
    *("pat-peer", "cleo-peer", "nora-peer", "carl-peer", "ann-peer", "ben-peer"),
]


class Registry(Program):
    """Keeps its state in `folder`, so that another one on the same port is the same registry."""

    def __init__(self, folder: Path, port: int = 0, **environment: str) -> None:
        self.state_dir = folder / "registry"
        self.keys_file = folder / "api-keys.json"
        if not self.keys_file.exists():
            self._write_keys()
        command = [
            program("CHATIXIA_REGISTRY"),
            "--json",
            f"--port={port}",
            f"--state-dir={self.state_dir}",
        ]
        settings = {"API_KEYS_FILE": str(self.keys_file)}
        super().__init__("registry", folder, command, **(settings | environment))
        self.url = ""

    def wait_ready(self) -> None:
        self.url = str(json.loads(self.next_line())["url"]).rstrip("/")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws"

    def _write_keys(self) -> None:
        keys = {
            f"ak_{secrets.token_hex(16)}": {"peer_id": peer, "role": "agent"} for peer in _PEERS
        }
        self.keys_file.touch(0o600)
        self.keys_file.write_text(json.dumps({"keys": keys}))

    def key(self, peer: str) -> str:
        """The key of a peer, made first if there is none."""
        keys = json.loads(self.keys_file.read_text())["keys"]
        for key, owner in keys.items():
            if owner["peer_id"] == peer:
                return str(key)
        return self.add_key(peer)

    def add_key(self, peer: str, role: str = "agent") -> str:
        """Makes a key as an operator does."""
        command = [program("CHATIXIA_REGISTRY"), "key", "add", peer, f"--role={role}"]
        result = subprocess.run(
            [*command, f"--api-keys-file={self.keys_file}"],
            capture_output=True,
            timeout=PATIENCE,
            check=True,
            text=True,
        )
        return result.stdout.split()[-1]

    def secret(self) -> bytes:
        """What tokens are signed with; only a test that forges them wants to know."""
        return next(
            path.read_bytes().strip() for path in self.state_dir.iterdir() if "secret" in path.name
        )


class Sidecar(Program):
    def __init__(
        self,
        folder: Path,
        peer: str,
        registry: Registry,
        key: str,
        **environment: str,
    ) -> None:
        self.peer = peer
        self.socket_path = folder / f"{peer}.sock"
        settings = {
            "SIGNALING_URL": registry.websocket_url,
            "TOKEN_URL": f"{registry.url}/api/token",
            "API_KEY": key,
            "IPC_SOCKET": str(self.socket_path),
            "CHATIXIA_ICE_ADDRESSES": "127.0.0.1",
            "CHATIXIA_LOG": "debug",
        }
        super().__init__(peer, folder, [program("CHATIXIA_SIDECAR")], **(settings | environment))

    def wait_ready(self) -> None:
        def is_ready() -> bool:
            if not self.is_running:
                raise AssertionError(f"{self.name} ended early: {self.log()}")
            return self.socket_path.is_socket()

        eventually(f"{self.name} listens", is_ready)

    def connect(self) -> IpcClient:
        return IpcClient(str(self.socket_path))


class PythonAgent(Program):
    """examples/python/agent.py with a sidecar of its own."""

    def __init__(self, folder: Path, agent_id: str, registry: Registry, key: str) -> None:
        super().__init__(
            agent_id,
            folder,
            [PYTHON, str(ROOT / "examples" / "python" / "agent.py")],
            PYTHONPATH=str(ROOT / "sdk" / "python" / "src"),
            PYTHONDONTWRITEBYTECODE="1",
            **agent_environment(agent_id, registry, key),
        )


class CppAgent(Program):
    """The smallest C++ agent of examples/, with a sidecar of its own.

    With words it is told to make one call and to leave: `call`, agent, skill, text.
    """

    def __init__(
        self, folder: Path, agent_id: str, registry: Registry, key: str, *words: str
    ) -> None:
        super().__init__(
            agent_id,
            folder,
            [program("CHATIXIA_EXAMPLE_AGENT"), *words],
            **agent_environment(agent_id, registry, key),
        )


def agent_environment(agent_id: str, registry: Registry, key: str) -> dict[str, str]:
    return {
        "REGISTRY_URL": registry.url,
        "API_KEY": key,
        "AGENT_ID": agent_id,
        "SIDECAR_BINARY": program("CHATIXIA_SIDECAR"),
        "CHATIXIA_ICE_ADDRESSES": "127.0.0.1",
    }


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
