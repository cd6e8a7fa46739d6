"""HTTP calls to the registry, with and without good manners."""

import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from framework.patience import PATIENCE


@dataclass
class Answer:
    status: int
    body: Any


def call(
    method: str, url: str, body: Any = None, headers: dict[str, str] | None = None, **more: str
) -> Answer:
    """`body` goes out as JSON, or as it is when it is bytes; `key=` is an API key."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    all_headers = {"Content-Type": "application/json"} | (headers or {})
    if "key" in more:
        all_headers["X-API-Key"] = more["key"]
    request = urllib.request.Request(url, data, all_headers, method=method)
    # Proxies of the tester's environment have no business here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return Answer(answer.status, _json(answer.read()))
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, _json(refused.read()))


def raw(url: str, data: bytes, finish: bool = True) -> bytes:
    """Sends bytes that may be no HTTP at all, and returns everything that comes back."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as connection:
        try:
            connection.sendall(data)
            if finish:
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # it may have hung up in the middle; what it said counts
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionError:
            pass
        return received


def status_of(answer: bytes) -> int:
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data
