"""What is measured: raw data channels of our stack and of others, and the way of an agent's
message through two sidecars, beside the same hops with nothing in them."""

import dataclasses
import pathlib
import time

from lab import ADDRESS, Lab, run_json

HERE = pathlib.Path(__file__).resolve().parent
PEERS = ("libwebrtc", "libdatachannel")


@dataclasses.dataclass(frozen=True)
class Figure:
    name: str
    unit: str
    better: str


FIGURES = (
    Figure("raw: time to open, p50", "ms", "lower"),
    Figure("raw: time to open, p99", "ms", "lower"),
    Figure("raw: round trip 256 B, p50", "us", "lower"),
    Figure("raw: round trip 256 B, p99", "us", "lower"),
    Figure("raw: 256 B one way", "messages/s", "higher"),
    Figure("raw: 1 KiB one way", "messages/s", "higher"),
    Figure("raw: 64 KiB one way", "MB/s", "higher"),
    Figure("raw: processor, both ends", "s/GB", "lower"),
    Figure("raw: memory per further connection", "KiB", "lower"),
    Figure("agents: sidecar start to open, p50", "ms", "lower"),
    Figure("agents: sidecar start to open, p99", "ms", "lower"),
    Figure("agents: round trip 256 B, p50", "us", "lower"),
    Figure("agents: round trip 256 B, p99", "us", "lower"),
    Figure("agents: 256 B one way", "messages/s", "higher"),
    Figure("agents: 1 KiB one way", "messages/s", "higher"),
    Figure("agents: 64 KiB one way", "MB/s", "higher"),
    Figure("agents: processor, both sidecars", "s/GB", "lower"),
    Figure("sidecar: memory, idle", "MiB", "lower"),
    Figure("sidecar: memory per further link", "KiB", "lower"),
)


@dataclasses.dataclass(frozen=True)
class Effort:
    rounds: int
    setups: int
    pings: int
    seconds: float
    connections: int
    links: int


FULL = Effort(rounds=3, setups=50, pings=20_000, seconds=1.5, connections=30, links=100)
QUICK = Effort(rounds=1, setups=5, pings=1_000, seconds=0.4, connections=5, links=10)


class Suite:
    """Measures round by round; `record(figure name, column, value)` takes what comes out and
    `progress(text)` hears what is going on."""

    def __init__(self, build, effort, record, progress):
        self._bench = build / "bench"
        self._build = build
        self._effort = effort
        self._record = record
        self._progress = progress
        self.failures = []

    def run(self):
        farm = [f"farm-{number}" for number in range(self._effort.links)]
        with Lab(self._build, ["a", "b", "hub", *farm]) as lab:
            for number in range(self._effort.rounds):
                self._round = f"round {number + 1} of {self._effort.rounds}"
                self._measure_raw()
                self._measure_agents(lab)
                self._measure_memory(lab, farm)

    def _attempt(self, what, column, measure):
        """One measurement; a foreign stack that fails now and then gets three attempts."""
        self._progress(f"{self._round}: {what}, {column}")
        attempts = 1 if column in ("ours", "bare") else 3
        for attempt in range(attempts):
            try:
                return measure()
            except (RuntimeError, KeyError, OSError) as error:
                if attempt + 1 == attempts:
                    self.failures.append((column, f"{what}, {column}: {error}"))
        return None

    def _raw_command(self, stack, figure, options):
        options = [f"--{name}={value}" for name, value in options.items()]
        if stack == "ours":
            return [self._bench / "rtc_bench", figure, f"--address={ADDRESS}", *options]
        return ["node", HERE.parent / "peers/raw.mjs", stack, figure, *options]

    def _raw(self, figure, fields, **options):
        """Every stack in turn; `fields` maps the figures' names to the fields of the answer."""
        for stack in ("ours", *PEERS):
            command = self._raw_command(stack, figure, options)
            answer = self._attempt(f"raw {figure}", stack, lambda: run_json(command))
            for name, field in fields.items() if answer else ():
                self._record(f"raw: {name}", stack, answer[field])

    def _measure_raw(self):
        effort = self._effort
        self._raw(
            "setup", {"time to open, p50": "p50", "time to open, p99": "p99"}, count=effort.setups
        )
        self._raw(
            "ping",
            {"round trip 256 B, p50": "p50", "round trip 256 B, p99": "p99"},
            count=effort.pings,
            size=256,
        )
        for size, name in ((256, "256 B"), (1024, "1 KiB")):
            self._raw(
                "stream", {f"{name} one way": "messages_per_s"}, size=size, seconds=effort.seconds
            )
        self._raw(
            "stream",
            {"64 KiB one way": "mb_per_s", "processor, both ends": "cpu_s_per_gb"},
            size=64 * 1024,
            seconds=effort.seconds,
        )
        self._raw(
            "memory",
            {"memory per further connection": "kib_per_connection"},
            count=effort.connections,
        )

    def _agent(self, mode, lab, fields, *tail, env=None, **options):
        load = [self._bench / "ipc_load", mode, f"--socket={lab.socket('a')}"]
        load += [f"--{name}={value}" for name, value in options.items()]
        what = f"agents {mode}"
        answer = self._attempt(what, "ours", lambda: run_json([*load, *tail], env=env))
        for name, field in fields.items() if answer else ():
            self._record(f"agents: {name}", "ours", answer[field])

    def _measure_agents(self, lab):
        effort = self._effort
        near = lab.start_sidecar("a")
        self._agent(
            "open",
            lab,
            {"sidecar start to open, p50": "p50", "sidecar start to open, p99": "p99"},
            "--",
            *lab.sidecar_command(),
            env=lab.sidecar_env("b"),
            count=effort.setups,
        )
        far = lab.start_sidecar("b")
        server = lab.start([self._bench / "ipc_load", "serve", f"--socket={lab.socket('b')}"])
        round_trip = {"round trip 256 B, p50": "p50", "round trip 256 B, p99": "p99"}
        self._agent("ping", lab, round_trip, peer="b", count=effort.pings, size=256)
        self._measure_bare(round_trip)
        for size, name in ((256, "256 B"), (1024, "1 KiB")):
            self._agent(
                "stream",
                lab,
                {f"{name} one way": "messages_per_s"},
                peer="b",
                size=size,
                seconds=effort.seconds,
            )
        self._agent(
            "stream",
            lab,
            {"64 KiB one way": "mb_per_s", "processor, both sidecars": "cpu_s_per_gb"},
            peer="b",
            size=64 * 1024,
            seconds=effort.seconds,
            sidecars=f"{near.pid},{far.pid}",
        )
        for process in (server, near, far):
            lab.stop(process)

    def _measure_bare(self, fields):
        command = [self._bench / "bare_pingpong", f"--count={self._effort.pings}", "--size=256"]
        answer = self._attempt("the same hops", "bare", lambda: run_json(command))
        for name, field in fields.items() if answer else ():
            self._record(f"agents: {name}", "bare", answer[field])

    def _measure_memory(self, lab, farm):
        def measure():
            sidecar = lab.start_sidecar("hub")
            process = lab.start([self._bench / "link_farm"])
            try:
                self._measure_links(lab, sidecar, process, farm)
            finally:
                lab.stop(process)
                lab.stop(sidecar)

        self._attempt("memory of a sidecar", "ours", measure)

    def _measure_links(self, lab, sidecar, process, farm):
        for peer in farm:
            process.write(
                {
                    "cmd": "join",
                    "self": peer,
                    "url": lab.signaling_url,
                    "token": lab.token(peer),
                    "address": ADDRESS,
                    "calls_peers": False,
                }
            )
            process.wait_event("joined")
        idle = sidecar.resident_kib()
        first = self._resident_with(sidecar, process, farm[:1])
        all_open = self._resident_with(sidecar, process, farm[1:])
        self._record("sidecar: memory, idle", "ours", idle / 1024)
        further = (all_open - first) / (len(farm) - 1)
        self._record("sidecar: memory per further link", "ours", further)

    @staticmethod
    def _resident_with(sidecar, process, peers):
        """Memory of the sidecar after these peers have opened their links, one after the other."""
        for peer in peers:
            process.write({"cmd": "offer", "self": peer, "peer": "hub"})
            process.wait_event("open")
        time.sleep(0.5)
        return sidecar.resident_kib()
