"""The frames of gRPC over HTTP/2: a byte for the compression, the length of the message, the message.

Source: "gRPC over HTTP2" (gRPC's PROTOCOL-HTTP2.md).
"""

from __future__ import annotations

_HEAD = 5


def frame(message: bytes) -> bytes:
    """Return the message as an uncompressed frame."""
    return b"\0" + len(message).to_bytes(_HEAD - 1, "big") + message


def has_message(body: bytes) -> bool:
    """Return whether a response body contains a complete first message."""
    return len(body) >= _HEAD and len(body) >= _HEAD + int.from_bytes(body[1:_HEAD], "big")


def first_message(body: bytes) -> bytes:
    """Return the first message of a response body. Raises ValueError if it is incomplete or compressed."""
    if not has_message(body) or body[0] != 0:
        raise ValueError("no complete message")
    return body[_HEAD : _HEAD + int.from_bytes(body[1:_HEAD], "big")]
