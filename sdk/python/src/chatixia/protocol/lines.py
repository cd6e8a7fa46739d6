"""Cuts a byte stream into lines and survives the ones that are too long."""

from collections.abc import Iterator
from dataclasses import dataclass

from chatixia import limits


@dataclass(frozen=True, slots=True)
class LineTooLong:
    """Stands where a line above the limit was; the line itself is dropped."""

    bytes_max: int


class LineDecoder:
    """Feed it what the socket gave; it never holds more than one line of `bytes_max`."""

    def __init__(self, bytes_max: int = limits.IPC_LINE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._partial = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes | LineTooLong]:
        """The lines that `data` completes, without their newline; empty lines are skipped."""
        *complete, rest = data.split(b"\n")
        for piece in complete:
            yield from self._add(piece)
            if self._skipping:
                self._skipping = False
            elif self._partial:
                yield bytes(self._partial)
            self._partial.clear()
        yield from self._add(rest)

    def _add(self, piece: bytes) -> Iterator[LineTooLong]:
        if self._skipping:
            return
        if len(self._partial) + len(piece) > self._bytes_max:
            self._partial.clear()
            self._skipping = True
            yield LineTooLong(self._bytes_max)
        else:
            self._partial += piece
