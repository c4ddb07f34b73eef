"""Verify the checksums that clients send with S3 uploads."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import cache

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import refusal

PREFIX = "x-amz-checksum-"
# The Castagnoli and NVMe polynomials with reversed bits, and the number of bits in each.
_CRC32C = 0x82F63B78, 32
_CRC64NVME = 0x9A6C9329AC4BC9B5, 64


def check_checksums(request: HttpRequest) -> None:
    """Refuse a body that does not match its MD5 or checksum headers. Raises BadDigest or InvalidRequest."""
    md5 = request.headers.get("content-md5")
    if md5 is not None and md5 != _base64(hashlib.md5(request.body, usedforsecurity=False).digest()):
        raise bad_digest("The Content-MD5 you specified did not match what we received.")
    for name, value in request.headers.items():
        algorithm = name.removeprefix(PREFIX)
        if algorithm == name or algorithm in {"algorithm", "mode", "type"}:
            continue
        compute = _ALGORITHMS.get(algorithm)
        if compute is None:
            raise refusal("InvalidRequest", f"The dsops sandbox does not know the checksum {algorithm}.")
        if _base64(compute(request.body)) != value:
            raise bad_digest(f"The {algorithm.upper()} you specified did not match the calculated checksum.")


def bad_digest(message: str) -> SandboxRefusal:
    """Return a BadDigest error (400)."""
    return refusal("BadDigest", message)


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode()


def _crc(data: Iterable[int], polynomial: int, bits: int) -> bytes:
    table = _table(polynomial)
    mask = (1 << bits) - 1
    crc = mask
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return (crc ^ mask).to_bytes(bits // 8, "big")


@cache
def _table(polynomial: int) -> list[int]:
    rows = []
    for row in range(256):
        value = row
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        rows.append(value)
    return rows


_ALGORITHMS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: _crc(data, *_CRC32C),
    "crc64nvme": lambda data: _crc(data, *_CRC64NVME),
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}
