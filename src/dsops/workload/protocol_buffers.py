"""Encode and decode the messages of the SPIFFE Workload API, which are protocol buffers.

The Workload API needs only fields of strings, bytes and messages (wire type 2); other wire types are skipped. Sources:
"Protocol Buffers: Encoding", and the SPIFFE Workload API's workload.proto.
"""

from __future__ import annotations

from collections.abc import Iterable

_DELIMITED = 2
_FIXED_BYTES = {1: 8, 5: 4}
_MOST_VARINT_BYTES = 10


def encode_fields(fields: Iterable[tuple[int, str | bytes]]) -> bytes:
    """Return a message with these fields (number, value); empty values are left out, as proto3 does."""
    message = b""
    for number, content in fields:
        if content:
            value = content.encode() if isinstance(content, str) else content
            message += _varint(number << 3 | _DELIMITED) + _varint(len(value)) + value
    return message


def decode_fields(message: bytes) -> list[tuple[int, bytes]]:
    """Return the delimited fields of a message in order, each as (number, value). Raises ValueError."""
    fields = []
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            _, position = _read_varint(message, position)
            continue
        if wire_type == _DELIMITED:
            length, position = _read_varint(message, position)
        elif wire_type in _FIXED_BYTES:
            length = _FIXED_BYTES[wire_type]
        else:
            raise ValueError(f"unknown wire type {wire_type}")
        end = position + length
        if end > len(message):
            raise ValueError("a field ends after its message")
        if wire_type == _DELIMITED:
            fields.append((number, message[position:end]))
        position = end
    return fields


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    """Return the number at the position, and the position after it. Raises ValueError."""
    number = 0
    for index in range(_MOST_VARINT_BYTES):
        if position + index >= len(message):
            break
        byte = message[position + index]
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, position + index + 1
    raise ValueError("a number does not end")
