"""A man in the middle of the signaling: relays every envelope, and may change it on the way."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

from framework.websocket import CLOSE, TEXT, WebSocket

Change = Callable[[dict[str, Any]], dict[str, Any]]


class SignalingProxy:
    """Stands between sidecars and the registry's WebSocket; `change` sees both directions."""

    def __init__(self, upstream_url: str, change: Change) -> None:
        self._upstream_url = upstream_url
        self._change = change
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/ws"
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                downstream, token = WebSocket.accept(connection)
                upstream = WebSocket.connect(self._upstream_url, token)
                self._sockets += [downstream.socket, upstream.socket]
                for source, target in ((downstream, upstream), (upstream, downstream)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: WebSocket, target: WebSocket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (frame := source.receive_frame(patience=3600)) is not None:
                if frame.opcode == TEXT:
                    target.send(self._change(json.loads(frame.data)))
                elif frame.opcode == CLOSE:
                    target.send_frame(CLOSE, frame.data)

    def close(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
