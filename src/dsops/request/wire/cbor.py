"""Encode and decode CBOR as AWS's RPC v2 protocol uses it. No other module imports cbor2.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html, RFC 8949. cbor2 decodes more than the protocol
allows, such as regular expressions and values that contain themselves. Requests with such values are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO

import cbor2

_MOST_LEVELS = 100
_Decode = Callable[[object, bool], object]
_VALUES = frozenset({type(None), bool, int, float, str, bytes, datetime})


def decode(data: bytes) -> object:
    """Decode exactly one value. Tag 1 becomes a datetime in UTC, and `undefined` becomes None.

    Raises ValueError for:

    - malformed bytes, or bytes after the value
    - more than 100 levels of nesting
    - duplicate keys, or keys that are not strings
    - tags other than 1, and unassigned simple values
    """
    source = BytesIO(data)
    decoder = cbor2.CBORDecoder(
        source,
        semantic_decoders=_DECODERS,
        max_depth=_MOST_LEVELS,
        allow_duplicate_keys=False,
        # Map keys must be text or bytes: an attacker could send other keys that all have the same hash, which would
        # take very long to decode.
        strict_hashable_types=True,
    )
    try:
        value: object = decoder.decode()
    except cbor2.CBORDecodeError as error:
        raise ValueError("malformed CBOR") from error
    if source.read(1):
        raise ValueError("bytes after the value")
    return _plain(value)


def encode(value: object) -> bytes:
    """Encode a value as CBOR: None, bool, int, float, str, bytes, datetime, list, or dict with string keys."""
    return cbor2.dumps(value, datetime_as_timestamp=True)


def _plain(value: object) -> object:
    """Return the value with None in place of `undefined`.

    Raises ValueError for keys that are not strings, and for unassigned simple values.
    """
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("a key that is no text")
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is cbor2.undefined:
        return None
    if type(value) not in _VALUES:
        raise ValueError("a simple value without a meaning")
    return value


def _moment(seconds: object, _is_immutable: bool) -> datetime:  # noqa: FBT001 - called by cbor2
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError("tag 1 is for a number of seconds")  # noqa: TRY004 - the bytes are wrong, not the caller's types
    return datetime.fromtimestamp(seconds, UTC)


def _refuse(_value: object, _is_immutable: bool) -> object:  # noqa: FBT001 - called by cbor2
    raise ValueError("the protocol has no tag but 1")


class _Decoders(dict[int, _Decode]):
    """Decoders for all tags. A tag that is not in the dict is refused.

    Without this, cbor2 would use its built-in decoder for such a tag.
    """

    def __missing__(self, tag: int) -> _Decode:
        return _refuse


_DECODERS = _Decoders({1: _moment})
