"""A SPIFFE Workload API on a Unix socket: HTTP/2 frames with a test's answers, including garbage and silence.

Request headers are not decoded: the message says which method is called (FetchJWTBundles has an empty one). The real
SPIRE agent, which checks headers too, is in tests/clients/test_spire.py.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from dsops.aws.http.grpc import first_message, frame
from dsops.workload.protocol_buffers import encode_fields
from tests.children import SECONDS

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _PING = 0, 1, 4, 6
_ENDS_STREAM, _ENDS_HEADERS, _IS_ANSWER = 1, 4, 1


class Answer(NamedTuple):
    """An answer of the API."""

    body: bytes = b""
    """The gRPC frames, as `framed` makes them."""
    status: str = "0"
    """gRPC's status; "" sends no trailers and keeps the stream open."""
    reason: str = ""
    """The percent-encoded `grpc-message`."""
    is_garbage: bool = False
    """Sends text that is not HTTP/2, and closes the connection."""


def svid_answer(token: str, spiffe_id: str = "spiffe://example.org/web") -> Answer:
    """An answer with one JWT-SVID (JWTSVIDResponse)."""
    return Answer(frame(encode_fields([(1, encode_fields([(1, spiffe_id), (2, token)]))])))


def bundles_answer(trust_domain: str, key_set: str) -> Answer:
    """The first message of the stream of FetchJWTBundles (JWTBundlesResponse); the stream stays open."""
    return Answer(frame(encode_fields([(1, encode_fields([(1, trust_domain), (2, key_set)]))])), status="")


class StubWorkloadApi:
    """The API; the handler is called with the request's message."""

    def __init__(self, path: Path, handler: Callable[[bytes], Answer]) -> None:
        self.handler = handler
        self.seen: list[bytes] = []
        self.url = f"unix://{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(SECONDS)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, EOFError), connection:
            _exactly(connection, len(_PREFACE))
            connection.sendall(_frame(_SETTINGS, 0, 0, b""))
            bodies: dict[int, bytes] = {}
            while True:
                length, kind, flags, stream = _head(connection)
                payload = _exactly(connection, length)
                if kind == _SETTINGS and not flags & _IS_ANSWER:
                    connection.sendall(_frame(_SETTINGS, _IS_ANSWER, 0, b""))
                elif kind == _PING and not flags & _IS_ANSWER:
                    connection.sendall(_frame(_PING, _IS_ANSWER, 0, payload))
                elif kind == _DATA:
                    bodies[stream] = bodies.get(stream, b"") + payload
                    if flags & _ENDS_STREAM:
                        self._answer(connection, stream, bodies.pop(stream))

    def _answer(self, connection: socket.socket, stream: int, body: bytes) -> None:
        message = first_message(body)
        self.seen.append(message)
        answer = self.handler(message)
        if answer.is_garbage:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            raise EOFError
        # `:status: 200` is number 8 of HPACK's static table (RFC 7541, A).
        head = b"\x88" + _literal("content-type", "application/grpc")
        connection.sendall(_frame(_HEADERS, _ENDS_HEADERS, stream, head))
        if answer.body:
            connection.sendall(_frame(_DATA, 0, stream, answer.body))
        if answer.status:
            trailers = _literal("grpc-status", answer.status) + _literal("grpc-message", answer.reason)
            connection.sendall(_frame(_HEADERS, _ENDS_HEADERS | _ENDS_STREAM, stream, trailers))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _head(connection: socket.socket) -> tuple[int, int, int, int]:
    raw = _exactly(connection, 9)
    kind, flags, stream = struct.unpack(">BBI", raw[3:])
    return int.from_bytes(raw[:3], "big"), kind, flags, stream


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise EOFError
        received += part
    return received


def _literal(name: str, value: str) -> bytes:
    """A header as HPACK's literal without indexing and without Huffman coding; texts of at most 126 bytes."""
    assert max(len(name), len(value)) < 127
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
