"""Read and write CBOR as AWS's RPC v2 protocol uses it.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html, RFC 8949. Strings of indefinite length are
joined; the only supported tag is 1, a timestamp.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

_DEEPEST = 100
_INDEFINITE = 31
_BREAK = 0xFF
_SIMPLE: Mapping[int, object] = {20: False, 21: True, 22: None, 23: None}


def decode(data: bytes) -> object:
    """Decode the bytes, which must hold exactly one value; timestamps become datetimes. Raises ValueError."""
    reader = _Reader(data)
    value = reader.value(0)
    if reader.position != len(data):
        raise ValueError("more than one value")
    return value


def encode(value: object) -> bytes:  # noqa: PLR0911 - one for each kind of value
    """Encode None, bool, int, float, str, bytes, datetime, a list or a dict with text keys."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, datetime):
        return b"\xc1" + encode(value.timestamp())
    if isinstance(value, Mapping):
        return _head(5, len(value)) + b"".join(encode(str(name)) + encode(item) for name, item in value.items())
    if isinstance(value, Sequence):
        return _head(4, len(value)) + b"".join(encode(item) for item in value)
    raise TypeError(f"CBOR has no {type(value).__name__}")


def _head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes([kind << 5 | number])
    for extra, form, limit in ((24, ">B", 1 << 8), (25, ">H", 1 << 16), (26, ">I", 1 << 32), (27, ">Q", 1 << 64)):
        if number < limit:
            return bytes([kind << 5 | extra]) + struct.pack(form, number)
    raise ValueError("a number of more than 64 bits")


class _Reader:
    """Reads values from the front of the bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def value(self, depth: int) -> object:  # noqa: PLR0911 - one for each kind of value
        if depth > _DEEPEST:
            raise ValueError("too deep")
        kind, extra = divmod(self._byte(), 32)
        if kind == 7:
            return self._simple(extra)
        if extra == _INDEFINITE:
            return self._indefinite(kind, depth)
        number = self._number(extra)
        if kind == 0:
            return number
        if kind == 1:
            return -1 - number
        if kind in {2, 3}:
            return self._text(kind, self._take(number))
        if kind == 4:
            return [self.value(depth + 1) for _ in range(self._possible(number))]
        if kind == 5:
            return dict(self._pair(depth) for _ in range(self._possible(number)))
        return self._tagged(number, depth)

    def _indefinite(self, kind: int, depth: int) -> object:
        if kind == 4:
            items = []
            while not self._ends():
                items.append(self.value(depth + 1))
            return items
        if kind == 5:
            pairs = {}
            while not self._ends():
                name, item = self._pair(depth)
                pairs[name] = item
            return pairs
        if kind not in {2, 3}:
            raise ValueError("nothing else is of indefinite length")
        parts = []
        while not self._ends():
            inner, extra = divmod(self._byte(), 32)
            if inner != kind or extra == _INDEFINITE:
                raise ValueError("a part of another kind")
            parts.append(self._take(self._number(extra)))
        return self._text(kind, b"".join(parts))

    def _tagged(self, tag: int, depth: int) -> object:
        value = self.value(depth + 1)
        if tag != 1 or isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("the only tag is a moment")
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError) as error:
            raise ValueError("no moment") from error

    def _pair(self, depth: int) -> tuple[str, object]:
        name = self.value(depth + 1)
        if not isinstance(name, str):
            raise ValueError("a name is a text")  # noqa: TRY004 - what is wrong is the bytes
        return name, self.value(depth + 1)

    def _simple(self, extra: int) -> object:
        if extra in _SIMPLE:
            return _SIMPLE[extra]
        forms = {25: (2, ">e"), 26: (4, ">f"), 27: (8, ">d")}
        if extra not in forms:
            raise ValueError("no value")
        size, form = forms[extra]
        number: float = struct.unpack(form, self._take(size))[0]
        return number

    def _number(self, extra: int) -> int:
        if extra < 24:
            return extra
        sizes = {24: 1, 25: 2, 26: 4, 27: 8}
        if extra not in sizes:
            raise ValueError("no length")
        return int.from_bytes(self._take(sizes[extra]), "big")

    def _possible(self, count: int) -> int:
        """Check that the remaining bytes can hold that many items."""
        if count > len(self._data) - self.position:
            raise ValueError("cut off")
        return count

    def _ends(self) -> bool:
        if self._data[self.position : self.position + 1] == bytes([_BREAK]):
            self.position += 1
            return True
        return False

    def _text(self, kind: int, data: bytes) -> object:
        return data if kind == 2 else data.decode()

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, count: int) -> bytes:
        part = self._data[self.position : self.position + count]
        if len(part) != count:
            raise ValueError("cut off")
        self.position += count
        return part
