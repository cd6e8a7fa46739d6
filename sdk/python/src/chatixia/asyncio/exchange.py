"""Deadlines, and one request with what comes back for it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatixia import limits
from chatixia.errors import BacklogFull, DeadlineExceeded, MeshError
from chatixia.protocol.mesh import Message


class Deadline:
    """A point in time that several steps share."""

    def __init__(self, timeout: float) -> None:
        self._at = asyncio.get_running_loop().time() + timeout

    def left(self) -> float:
        return max(0.0, self._at - asyncio.get_running_loop().time())

    @asynccontextmanager
    async def limit(self, sentence: str) -> AsyncIterator[None]:
        """Ends what is inside with DeadlineExceeded; no yield to a consumer may happen inside."""
        scope = asyncio.timeout_at(self._at)
        try:
            async with scope:
                yield
        except TimeoutError:
            if scope.expired():
                raise DeadlineExceeded(sentence) from None
            raise

    async def sleep(self, seconds: float, sentence: str) -> None:
        if seconds >= self.left():
            raise DeadlineExceeded(sentence)
        await asyncio.sleep(seconds)


class Exchange:
    """What has come back for one request and was not read yet."""

    def __init__(self) -> None:
        self.is_sent = False  # else it waits for a link, perhaps the next one
        self._messages: deque[tuple[Message, int]] = deque()
        self._bytes = 0
        self._error: MeshError | None = None
        self._changed = asyncio.Event()

    def handle(self, message: Message, size: int) -> None:
        if self._error is not None:
            return
        if self._bytes + size > limits.BACKLOG_BYTES_MAX:
            self.fail(BacklogFull("the stream was not read fast enough"))
            return
        self._messages.append((message, size))
        self._bytes += size
        self._changed.set()

    def fail(self, error: MeshError) -> None:
        self._error = error
        self._changed.set()

    async def next(self, deadline: Deadline, sentence: str) -> Message:
        """The next message; an error comes after everything that arrived before it."""
        while not self._messages:
            if self._error is not None:
                raise self._error
            self._changed.clear()
            async with deadline.limit(sentence):
                await self._changed.wait()
        message, size = self._messages.popleft()
        self._bytes -= size
        return message
