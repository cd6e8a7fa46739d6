"""The agent's end of a sidecar's socket, line by line, with nothing of the Python package."""

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from framework.patience import PATIENCE

Event = dict[str, Any]


class IpcClient:
    """Keeps every event that came, so that a test may wait for one after the fact."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._ids = itertools.count(1)
        self._changed = threading.Condition()
        self.events: list[Event] = []
        self.is_closed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def finish(self) -> None:
        """Says that no more will be written, and goes on reading."""
        self._socket.shutdown(socket.SHUT_WR)

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._socket.makefile("rb") as lines:
            for line in lines:
                event = json.loads(line)
                with self._changed:
                    self.events.append(event)
                    self._changed.notify_all()
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def tell(self, kind: str, payload: Any, command_id: str | None = None) -> None:
        line = {"type": kind, "payload": payload}
        if command_id is not None:
            line["id"] = command_id
        self.write(json.dumps(line).encode() + b"\n")

    def ask(self, kind: str, payload: Any = None, patience: float = PATIENCE) -> Event:
        """The `ok` or `error` of one command, or what was answered before its `ok`."""
        command_id = f"c{next(self._ids)}"
        self.tell(kind, payload or {}, command_id)
        end = self.wait(
            lambda event: event.get("id") == command_id and event["type"] in ("ok", "error"),
            f"the answer to {kind}",
            patience,
        )
        for event in self.events:
            if event.get("id") == command_id and event is not end:
                return event
        return end

    def send(self, peer: str, message: Event) -> Event:
        return self.ask("send", {"target_peer": peer, "message": message})

    def status(self) -> Event:
        payload: Event = self.ask("status")["payload"]
        return payload

    def wait(
        self,
        wanted: Callable[[Event], bool],
        what: str = "an event",
        patience: float = PATIENCE,
        after: int = 0,
    ) -> Event:
        """The first event, from the one with index `after` on, that is wanted."""
        deadline = time.monotonic() + patience
        with self._changed:
            seen = after
            while True:
                for event in self.events[seen:]:
                    if wanted(event):
                        return event
                seen = len(self.events)
                if self.is_closed:
                    raise AssertionError(f"closed before {what}; last: {self.events[-3:]}")
                if not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no {what} in {patience:g} s; last: {self.events[-3:]}")

    def wait_closed(self, patience: float = PATIENCE) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self.is_closed, patience):
                raise AssertionError("the connection is still open")

    def wait_event(self, kind: str, peer: str, patience: float = PATIENCE, after: int = 0) -> Event:
        """`peer_connected` or `peer_disconnected` of one peer."""
        return self.wait(
            lambda event: event["type"] == kind and event["payload"].get("peer_id") == peer,
            f"{kind} of {peer}",
            patience,
            after,
        )

    def wait_message(self, kind: str, patience: float = PATIENCE, after: int = 0) -> Event:
        """The payload of a `message` event: from_peer and message."""
        payload: Event = self.wait(
            lambda event: (
                event["type"] == "message" and event["payload"]["message"].get("type") == kind
            ),
            f"message {kind}",
            patience,
            after,
        )["payload"]
        return payload

    def wait_error(self, code: str, patience: float = PATIENCE, after: int = 0) -> Event:
        payload: Event = self.wait(
            lambda event: event["type"] == "error" and event["payload"].get("code") == code,
            f"error {code}",
            patience,
            after,
        )["payload"]
        return payload
