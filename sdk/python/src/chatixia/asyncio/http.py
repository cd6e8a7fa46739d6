"""A small HTTP/1.1 client: one JSON request a connection, with limits and a deadline."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from chatixia import limits
from chatixia.errors import MeshError, RegistryError
from chatixia.protocol import strict_json

_HEADER_BYTES_MAX = 16 * 1024
# A task list can hold many bodies, and each of them whole: {"pending_tasks": [{"payload": ...}]}.
_ANSWER_BYTES_MAX = 16 * limits.HTTP_BODY_BYTES_MAX
_ANSWER_DEPTH_MAX = limits.JSON_DEPTH_MAX + 3


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any  # None when there was no body


async def fetch(
    method: str,
    url: str,
    *,
    body: strict_json.Json = None,
    headers: dict[str, str] | None = None,
    timeout: float = 10.0,
) -> Answer:
    """Raises RegistryError with status 0 when no valid answer came."""
    parts = _split(url)
    try:
        async with asyncio.timeout(timeout):
            return await _exchange(method, parts, body, headers or {})
    except TimeoutError:
        raise RegistryError(f"{url} did not answer within {timeout:g} s") from None
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as problem:
        raise RegistryError(f"{url}: {problem}") from None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # a bracket without its other half, a port that is no number
        pass
    raise RegistryError(f"not an http address: {url}")


async def _exchange(
    method: str, parts: SplitResult, body: strict_json.Json, headers: dict[str, str]
) -> Answer:
    secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        parts.hostname,
        parts.port or (443 if secure else 80),
        ssl=ssl.create_default_context() if secure else None,
        limit=_HEADER_BYTES_MAX,
    )
    try:
        writer.write(_request(method, parts, body, headers))
        await writer.drain()
        return await _read_answer(reader)
    finally:
        writer.close()


def _request(
    method: str, parts: SplitResult, body: strict_json.Json, headers: dict[str, str]
) -> bytes:
    content = b"" if body is None else strict_json.encode(body)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Accept: application/json", f"Content-Length: {len(content)}"]
    if body is not None:
        lines.append("Content-Type: application/json")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header holds a line break")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, _, rest = head[0].partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("not an HTTP answer")
    status = int(rest[:3])
    fields = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    content = await _read_body(reader, fields)
    try:
        return Answer(status, _parse(content) if content else None)
    except MeshError as problem:
        if status >= 400:  # an error page of a proxy says enough with its status
            return Answer(status, None)
        raise ValueError(problem.message) from None


def _parse(content: bytes) -> strict_json.Json:
    return strict_json.parse(content, bytes_max=_ANSWER_BYTES_MAX, depth_max=_ANSWER_DEPTH_MAX)


async def _read_body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if fields.get("transfer-encoding", "").lower() == "chunked":
        content = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            content += await _read_some(reader, size, len(content))
            await reader.readexactly(2)
        return content
    if "content-length" in fields:
        return await _read_some(reader, int(fields["content-length"]), 0)
    content = b""
    while data := await reader.read(64 * 1024):
        content += data
        _check_size(len(content))
    return content


async def _read_some(reader: asyncio.StreamReader, size: int, before: int) -> bytes:
    _check_size(before + size)
    return await reader.readexactly(size)


def _check_size(size: int) -> None:
    if not 0 <= size <= _ANSWER_BYTES_MAX:
        raise ValueError("the answer is too large")
