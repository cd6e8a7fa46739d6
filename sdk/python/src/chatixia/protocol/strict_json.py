"""JSON as the mesh speaks it: strict RFC 8259 with limits, so that all readers agree."""

import json
import math
from typing import Any, NoReturn

from chatixia import limits
from chatixia.errors import BadRequest, TooLarge

Json = dict[str, Any] | list[Any] | str | int | float | bool | None
JsonObject = dict[str, Any]


def _refuse_constant(name: str) -> NoReturn:
    raise BadRequest(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadRequest("a number is out of range")
    return value


def _integer(text: str) -> int | float:
    if len(text) > 20:
        return _finite(text)
    value = int(text)
    return value if -(2**63) <= value < 2**64 else float(value)


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadRequest("a key appears twice in one object")
    return result


_decoder = json.JSONDecoder(
    parse_constant=_refuse_constant,
    parse_float=_finite,
    parse_int=_integer,
    object_pairs_hook=_unique,
)


def _refuse_surrogates(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadRequest("a text holds half a surrogate pair") from None


def _check(value: Json, depth_max: int) -> None:
    level: list[Any] = [value]
    depth = 0
    while level:
        below: list[Any] = []
        nested = False
        for item in level:
            if isinstance(item, str):
                _refuse_surrogates(item)
            elif isinstance(item, dict):
                nested = True
                for key in item:
                    _refuse_surrogates(key)
                below.extend(item.values())
            elif isinstance(item, list):
                nested = True
                below.extend(item)
        depth += nested
        if depth > depth_max:
            raise BadRequest(f"nested deeper than {depth_max}")
        level = below


def parse(
    text: bytes,
    *,
    bytes_max: int = limits.HTTP_BODY_BYTES_MAX,
    depth_max: int = limits.JSON_DEPTH_MAX,
) -> Json:
    """One value, valid UTF-8, no duplicate keys, finite numbers, nothing behind it."""
    if len(text) > bytes_max:
        raise TooLarge(f"{len(text)} bytes; at most {bytes_max} are allowed")
    try:
        # Without the explicit step json.loads would guess UTF-16 and UTF-32 as well.
        value: Json = _decoder.decode(text.decode())
    except UnicodeDecodeError:
        raise BadRequest("not valid UTF-8") from None
    except json.JSONDecodeError as problem:
        raise BadRequest(f"not valid JSON: {problem.msg} at {problem.pos}") from None
    except RecursionError:
        raise BadRequest(f"nested deeper than {depth_max}") from None
    _check(value, depth_max)
    return value


def parse_object(
    text: bytes,
    *,
    bytes_max: int = limits.HTTP_BODY_BYTES_MAX,
    depth_max: int = limits.JSON_DEPTH_MAX,
) -> JsonObject:
    """The same, and the value must be an object."""
    value = parse(text, bytes_max=bytes_max, depth_max=depth_max)
    if not isinstance(value, dict):
        raise BadRequest("not a JSON object")
    return value


def encode(value: Json) -> bytes:
    """Compact UTF-8; a value that JSON cannot hold is a BadRequest."""
    try:
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadRequest(f"not representable as JSON: {problem}") from None


class ObjectReader:
    """Reads members of an object; absent and null are the same, as 0.4 peers send both."""

    def __init__(self, value: Json) -> None:
        if not isinstance(value, dict):
            raise BadRequest("not a JSON object")
        self._object = value

    def _typed(self, key: str, kinds: type | tuple[type, ...], name: str) -> Any:
        value = self._object.get(key)
        if value is None:
            return None
        # bool is an int to Python and to nobody else.
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            raise BadRequest(f"{key}: not {name}")
        return value

    def optional_text(self, key: str, bytes_max: int = limits.ID_BYTES_MAX) -> str | None:
        value: str | None = self._typed(key, str, "a text")
        if value is not None and len(value.encode()) > bytes_max:
            raise BadRequest(f"{key}: longer than {bytes_max} bytes")
        return value

    def text_or(self, key: str, fallback: str, bytes_max: int = limits.ID_BYTES_MAX) -> str:
        value = self.optional_text(key, bytes_max)
        return fallback if value is None else value

    def text(self, key: str, bytes_max: int = limits.ID_BYTES_MAX) -> str:
        """A text that must be there."""
        value = self.optional_text(key, bytes_max)
        if value is None:
            raise BadRequest(f"{key}: missing")
        return value

    def boolean_or(self, key: str, fallback: bool) -> bool:
        value = self._typed(key, bool, "true or false")
        return fallback if value is None else bool(value)

    def optional_integer(self, key: str, low: int, high: int) -> int | None:
        value = self._typed(key, (int, float), "a number")
        if value is None:
            return None
        if value != int(value) or not low <= value <= high:
            raise BadRequest(f"{key}: not an integer from {low} to {high}")
        return int(value)

    def object_or_empty(self, key: str) -> JsonObject:
        value: JsonObject | None = self._typed(key, dict, "an object")
        return {} if value is None else value

    def texts_or_empty(self, key: str, count_max: int) -> list[str]:
        values = self._typed(key, list, "a list") or []
        if len(values) > count_max:
            raise BadRequest(f"{key}: more than {count_max} entries")
        for value in values:
            if not isinstance(value, str) or len(value.encode()) > limits.ID_BYTES_MAX:
                raise BadRequest(f"{key}: an entry is not a short text")
        return list(values)

    def value(self, key: str) -> Any:
        return self._object.get(key)

    def has(self, key: str) -> bool:
        return self._object.get(key) is not None
