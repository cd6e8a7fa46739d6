"""RFC 6455 by hand, so that a test can also break it; both ends, for proxies."""

import base64
import hashlib
import json
import os
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from framework.patience import PATIENCE

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refused(Exception):
    """The server answered the upgrade with something else than 101."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body.decode(errors='replace')}")
        self.status = status
        self.body = body


@dataclass
class Frame:
    opcode: int
    data: bytes

    @property
    def close_code(self) -> int:
        return struct.unpack("!H", self.data[:2])[0] if len(self.data) >= 2 else 1005

    @property
    def close_reason(self) -> str:
        return self.data[2:].decode(errors="replace")


class WebSocket:
    """Frames over a connected socket. Clients mask what they send, servers do not."""

    def __init__(self, connection: socket.socket, is_client: bool) -> None:
        self.socket = connection
        self._is_client = is_client
        self._input = connection.makefile("rb")

    @classmethod
    def connect(cls, url: str, token: str | None = None, in_query: bool = True) -> Self:
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        connection = socket.create_connection((parts.hostname, parts.port), PATIENCE)
        query = f"?token={token}" if token is not None and in_query else ""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {parts.path}{query} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        if token is not None and not in_query:
            lines.append(f"Authorization: Bearer {token}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        websocket = cls(connection, is_client=True)
        try:
            websocket._read_upgrade()
        except BaseException:
            websocket.drop()
            raise
        return websocket

    def _read_upgrade(self) -> None:
        status = int(self._input.readline().split()[1])
        length = 0
        while line := self._input.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if status != 101:
            raise Refused(status, self._input.read(length))

    @classmethod
    def accept(cls, connection: socket.socket) -> tuple[Self, str]:
        """The server's end, and the bearer token that the client sent."""
        websocket = cls(connection, is_client=False)
        key = token = b""
        request = websocket._input.readline()
        while line := websocket._input.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"sec-websocket-key":
                key = value.strip()
            if name.lower() == b"authorization":
                token = value.strip().removeprefix(b"Bearer ")
        if b"token=" in request:
            token = request.split(b"token=")[1].split()[0]
        accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
        )
        return websocket, token.decode()

    def send_frame(self, opcode: int, data: bytes, first_byte: int | None = None) -> None:
        head = bytes([0x80 | opcode if first_byte is None else first_byte])
        masked = 0x80 if self._is_client else 0
        if len(data) < 126:
            head += bytes([masked | len(data)])
        elif len(data) < 65536:
            head += struct.pack("!BH", masked | 126, len(data))
        else:
            head += struct.pack("!BQ", masked | 127, len(data))
        if self._is_client:
            # A mask of zeros is a mask, and leaves the data readable in a dump.
            head += bytes(4)
        self.socket.sendall(head + data)

    def send(self, value: Any) -> None:
        self.send_frame(TEXT, json.dumps(value).encode())

    def receive_frame(self, patience: float = PATIENCE) -> Frame | None:
        """The next frame; None at the end of the connection. Pings are answered here."""
        deadline = time.monotonic() + patience
        while True:
            try:
                # Pings do not prolong the wait.
                self.socket.settimeout(max(0.001, deadline - time.monotonic()))
                head = self._input.read(2)
                if len(head) < 2:
                    return None
                size = head[1] & 127
                if size == 126:
                    (size,) = struct.unpack("!H", self._input.read(2))
                elif size == 127:
                    (size,) = struct.unpack("!Q", self._input.read(8))
                mask = self._input.read(4) if head[1] & 0x80 else bytes(4)
                data = self._input.read(size)
            except ConnectionError:
                return None
            except TimeoutError:
                raise AssertionError(f"no frame in {patience:g} s") from None
            if any(mask):
                data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
            if head[0] & 15 == PING:
                self.send_frame(PONG, data)
            else:
                return Frame(head[0] & 15, data)

    def receive(self, patience: float = PATIENCE) -> dict[str, Any]:
        """The next text frame as JSON."""
        frame = self.receive_frame(patience)
        if frame is None or frame.opcode != TEXT:
            raise AssertionError(f"expected a text frame, got {frame}")
        value: dict[str, Any] = json.loads(frame.data)
        return value

    def receive_close(self, patience: float = PATIENCE) -> Frame | None:
        """Reads to the close frame; None when the connection ends without one."""
        while (frame := self.receive_frame(patience)) is not None:
            if frame.opcode == CLOSE:
                return frame
        return None

    def drop(self) -> None:
        """Closes the connection without a word."""
        self._input.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()
