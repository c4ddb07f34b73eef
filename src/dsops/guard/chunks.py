"""Check the signature of each chunk of a streamed upload, and sign the chunk again.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import Final

from dsops.request.wire.s3_payload import ChunkSigner

LARGEST_CHUNK: Final = 64 * 1024 * 1024
"""The largest chunk in bytes. A chunk is kept in memory until its signature has been checked."""
_EMPTY: Final = sha256(b"").hexdigest()
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8});chunk-signature=([0-9a-f]{64})\Z")
_LONGEST_LINE: Final = 200
_LONGEST_TRAILER: Final = 16 * 1024
_TRAILER_SIGNATURE: Final = b"x-amz-trailer-signature:"


class ChunkResigner:
    """Takes the pieces of an aws-chunked body and returns them with new signatures. Raises ValueError.

    The result has as many bytes as the input. Each chunk is returned when it is complete and its signature is valid.
    """

    def __init__(self, theirs: ChunkSigner, ours: ChunkSigner, *, has_trailer: bool) -> None:
        self._theirs, self._ours = theirs, ours
        self._their_last, self._our_last = theirs.seed, ours.seed
        self._has_trailer = has_trailer
        self._buffer = bytearray()
        self._is_in_trailer = False

    def __call__(self, piece: bytes) -> bytes:
        """Return the chunks that the piece completes. b"" marks the end of the body."""
        self._buffer += piece
        done: list[bytes] = []
        while not self._is_in_trailer and (chunk := self._next_chunk()) is not None:
            done.append(chunk)
        if self._is_in_trailer and len(self._buffer) > _LONGEST_TRAILER:
            raise ValueError("the trailer of the upload is too long")
        if not piece:
            done.append(self._end())
        return b"".join(done)

    def _next_chunk(self) -> bytes | None:
        """Remove a complete chunk from the buffer and return it signed again; None if it is not complete."""
        end = self._buffer.find(b"\r\n", 0, _LONGEST_LINE)
        if end < 0:
            if len(self._buffer) >= _LONGEST_LINE:
                raise ValueError("a chunk of the upload does not begin with its size and signature")
            return None
        line = bytes(self._buffer[:end])
        match = _SIZE.match(line)
        size = LARGEST_CHUNK + 1 if match is None else int(match[1], 16)
        if match is None or size > LARGEST_CHUNK:
            raise ValueError("a chunk of the upload has no signature, or is larger than 64 MiB")
        start, after = end + 2, end + 2 + size + (2 if size else 0)
        if len(self._buffer) < after:
            return None
        data = bytes(self._buffer[start : start + size])
        if size and self._buffer[start + size : after] != b"\r\n":
            raise ValueError("a chunk of the upload is longer than it says")
        digest = sha256(data).hexdigest()
        expected = self._theirs.signature("PAYLOAD", self._their_last, _EMPTY, digest)
        if not hmac.compare_digest(expected.encode(), match[2]):
            raise ValueError("a chunk of the upload has a wrong signature")
        self._their_last = expected
        self._our_last = self._ours.signature("PAYLOAD", self._our_last, _EMPTY, digest)
        del self._buffer[:after]
        self._is_in_trailer = not size
        return line[:-64] + self._our_last.encode() + b"\r\n" + data + (b"\r\n" if size else b"")

    def _end(self) -> bytes:
        if not self._is_in_trailer:
            raise ValueError("the upload ended before its last chunk")
        rest = bytes(self._buffer)
        if not self._has_trailer:
            if rest not in {b"", b"\r\n"}:
                raise ValueError("the upload goes on after its last chunk")
            return rest
        return self._signed_trailer(rest)

    def _signed_trailer(self, rest: bytes) -> bytes:
        lines = rest.split(b"\r\n")
        signed = [line for line in lines if line and not line.lower().startswith(_TRAILER_SIGNATURE)]
        found = [index for index, line in enumerate(lines) if line.lower().startswith(_TRAILER_SIGNATURE)]
        if len(found) != 1 or not all(b":" in line for line in signed):
            raise ValueError("the trailer of the upload is malformed")
        names_and_values = (line.partition(b":") for line in signed)
        text = b"".join(name.lower() + b":" + value.strip() + b"\n" for name, _, value in names_and_values)
        digest = sha256(text).hexdigest()
        stated = lines[found[0]].partition(b":")[2].strip()
        if not hmac.compare_digest(self._theirs.signature("TRAILER", self._their_last, digest).encode(), stated):
            raise ValueError("the trailer of the upload has a wrong signature")
        ours = self._ours.signature("TRAILER", self._our_last, digest).encode()
        lines[found[0]] = lines[found[0]].replace(stated, ours)
        return b"\r\n".join(lines)
