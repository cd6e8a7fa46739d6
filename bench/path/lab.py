"""The machinery around a measurement: a network namespace, a registry, sidecars, programs."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

ADDRESS = "10.77.0.1"
_MARKER = "CHATIXIA_BENCH_NAMESPACE"


def enter_namespace():
    """Runs this program again in a network namespace of its own and exits with its code.

    libwebrtc ignores hosts that have nothing but loopback; a veth pair that leads nowhere gives it
    an address. With the process namespace everything ends when the first process does.
    """
    if os.environ.get(_MARKER) == "1":
        _set_up_network()
        return
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.getuid() != 0:
        unshare[1:1] = ["--user", "--map-root-user"]
    probe = subprocess.run([*unshare, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        sys.exit(f"no network namespace can be made here: {probe.stderr.strip()}")
    command = [*unshare, sys.executable, *sys.argv]
    os.execvpe(command[0], command, {**os.environ, _MARKER: "1"})


def _set_up_network():
    for command in (
        "link set lo up",
        "link add v0 type veth peer name v1",
        f"addr add {ADDRESS}/24 dev v0",
        "link set v0 up",
        "link set v1 up",
        "route add default via 10.77.0.2",
    ):
        subprocess.run(["ip", *command.split()], check=True)


def run_json(command, timeout=90, env=None):
    """The JSON object that a program prints; RuntimeError when it fails."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{command[0]} took longer than {timeout} s") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        reason = _telling_line(done.stderr)
        raise RuntimeError(f"{pathlib.Path(command[0]).name}: {reason} ({done.returncode})")
    return json.loads(lines[-1])


def _telling_line(errors):
    lines = errors.strip().splitlines() or ["no output"]
    return next((line for line in reversed(lines) if "rror" in line), lines[-1])


class Process:
    """A program that runs while others measure it."""

    def __init__(self, command, env=None):
        self._errors = tempfile.TemporaryFile()
        self._popen = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self.pid = self._popen.pid

    def write(self, message):
        self._popen.stdin.write(json.dumps(message) + "\n")
        self._popen.stdin.flush()

    def wait_event(self, event):
        """The next JSON line whose `event` is this one."""
        for line in self._popen.stdout:
            message = json.loads(line) if line.startswith("{") else {}
            if message.get("event") == event:
                return message
            if message.get("event") == "error":
                raise RuntimeError(message["message"])
        self._errors.seek(0)
        raise RuntimeError(f"ended before {event}: {self._errors.read().decode()[-500:]}")

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)

    def stop(self):
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._popen.stdin.close()
        self._popen.stdout.close()
        self._errors.close()


class Lab:
    """A registry that knows `peers`, and sidecars on it. Use with `with`."""

    def __init__(self, build, peers):
        self._apps = build / "apps"
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="chatixia-bench-"))
        self._state = self._directory / "registry"
        self._processes = []
        self._keys = {peer: self._add_key(peer) for peer in peers}
        registry = self.start(
            [
                self._apps / "chatixia-registry",
                f"--listen={ADDRESS}",
                "--port=0",
                f"--state-dir={self._state}",
                "--json",
            ]
        )
        self.url = registry.wait_event("listening")["url"].rstrip("/")
        self.signaling_url = self.url.replace("http", "ws", 1) + "/ws"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _add_key(self, peer):
        done = subprocess.run(
            [self._apps / "chatixia-registry", "key", "add", peer, f"--state-dir={self._state}"],
            capture_output=True,
            text=True,
            check=True,
        )
        return next(word for word in done.stdout.split() if word.startswith("ak_"))

    def start(self, command, env=None):
        process = Process(command, env)
        self._processes.append(process)
        return process

    def stop(self, process):
        self._processes.remove(process)
        process.stop()

    def token(self, peer):
        request = urllib.request.Request(
            self.url + "/api/token", method="POST", headers={"X-API-Key": self._keys[peer]}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)["token"]

    def socket(self, peer):
        return self._directory / f"{peer}.sock"

    def sidecar_command(self):
        return [self._apps / "chatixia-sidecar"]

    def sidecar_env(self, peer):
        return {
            "SIGNALING_URL": self.signaling_url,
            "TOKEN_URL": self.url + "/api/token",
            "API_KEY": self._keys[peer],
            "IPC_SOCKET": str(self.socket(peer)),
            "CHATIXIA_ICE_ADDRESSES": ADDRESS,
        }

    def start_sidecar(self, peer):
        return self.start(self.sidecar_command(), self.sidecar_env(peer))
