"""Which request an incoming message answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from chatixia.protocol.mesh import NO_ANSWERS, STREAM_CHUNKS, Message

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    peer: str
    waiter: T


class PendingRequests(Generic[T]):
    """Open requests by their id. A waiter is whatever the caller wants back.

    Only the peer that was asked can answer. An answer closes its request, so a second one and a
    late one match nothing.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry[T]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, request_id: str, peer: str, waiter: T) -> None:
        if not request_id or request_id in self._entries:
            raise ValueError("a request needs an id of its own")
        self._entries[request_id] = _Entry(peer, waiter)

    def match(self, from_peer: str, message: Message) -> T | None:
        """The waiter of the request that `message` belongs to, if there is one."""
        entry = self._entries.get(message.request_id)
        if entry is None or entry.peer != from_peer or message.type in NO_ANSWERS:
            return None
        if message.type not in STREAM_CHUNKS:
            del self._entries[message.request_id]
        return entry.waiter

    def remove(self, request_id: str) -> None:
        self._entries.pop(request_id, None)

    def take_peer(self, peer: str, wanted: Callable[[T], bool] = lambda _: True) -> list[T]:
        """Closes the requests to one peer whose waiter is wanted."""
        gone = [
            key
            for key, entry in self._entries.items()
            if entry.peer == peer and wanted(entry.waiter)
        ]
        return [self._entries.pop(key).waiter for key in gone]

    def take_all(self) -> list[T]:
        waiters = [entry.waiter for entry in self._entries.values()]
        self._entries.clear()
        return waiters
