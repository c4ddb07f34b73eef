"""Write the certificate of the guard's authority (RFC 5280) in DER.

Every guarded run needs it before its command starts. To import `cryptography.x509` for it would take 33 ms of CPU
time, three times as much as all else that the authority does. A test compares the bytes with those of that module.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha1
from ipaddress import ip_network
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

AUTHORITY_NAME: Final = "dsops guard (this run only)"
"""The common name of the authority."""
_BOOLEAN, _INTEGER, _BITS, _OCTETS, _OID, _UTF8, _UTC_TIME, _TIME = 0x01, 0x02, 0x03, 0x04, 0x06, 0x0C, 0x17, 0x18
_SEQUENCE, _SET = 0x30, 0x31
_FIRST_YEAR_OF_LONG_TIMES: Final = 2050
_COMMON_NAME: Final = bytes.fromhex("550403")
_PUBLIC_KEY: Final = bytes.fromhex("2a8648ce3d0201")
_P256: Final = bytes.fromhex("2a8648ce3d030107")
_ECDSA_SHA256: Final = bytes.fromhex("2a8648ce3d040302")
_SUBJECT_KEY, _KEY_USAGE, _BASIC, _NAMES, _AUTHORITY_KEY = (
    bytes.fromhex(text) for text in ("551d0e", "551d0f", "551d13", "551d1e", "551d23")
)
_SIGNS_CERTIFICATES: Final = b"\x01\x06"
"""The bits keyCertSign and cRLSign, after the number of unused bits."""


class Validity(NamedTuple):
    """The time in which certificates are valid: aware, in UTC, without fractions of a second."""

    begin: datetime
    end: datetime


def authority_certificate(
    key: ec.EllipticCurvePrivateKey, validity: Validity, serial: int, suffixes: Sequence[str]
) -> bytes:
    """Return a certificate that the key (of P-256) signs for itself: an authority that may sign no other authority.

    `suffixes` limits it to these domains and addresses (name constraints); () to none.
    """
    algorithm = _der(_SEQUENCE, _der(_OID, _ECDSA_SHA256))
    name = _der(_SEQUENCE, _der(_OID, _COMMON_NAME), _der(_UTF8, AUTHORITY_NAME.encode("ascii")))
    name = _der(_SEQUENCE, _der(_SET, name))
    point = _point(key)
    body = _der(
        _SEQUENCE,
        _der(0xA0, _integer(2)),  # The number 2 stands for X.509 version 3
        _integer(serial),
        algorithm,
        name,
        _der(_SEQUENCE, _time(validity.begin), _time(validity.end)),
        name,
        _der(_SEQUENCE, _der(_SEQUENCE, _der(_OID, _PUBLIC_KEY), _der(_OID, _P256)), _der(_BITS, b"\0", point)),
        _der(0xA3, _der(_SEQUENCE, *_extensions(point, suffixes))),
    )
    signature = key.sign(body, ec.ECDSA(SHA256()))
    return _der(_SEQUENCE, body, algorithm, _der(_BITS, b"\0", signature))


def _extensions(point: bytes, suffixes: Sequence[str]) -> list[bytes]:
    key_id = sha1(point, usedforsecurity=False).digest()
    extensions = [
        # Java and OpenSSL's strict mode require both key ids: the authority's and the subject's.
        _extension(_AUTHORITY_KEY, _der(_SEQUENCE, _der(0x80, key_id))),
        _extension(_SUBJECT_KEY, _der(_OCTETS, key_id)),
        _extension(_BASIC, _der(_SEQUENCE, _der(_BOOLEAN, b"\xff"), _integer(0)), is_critical=True),
        _extension(_KEY_USAGE, _der(_BITS, _SIGNS_CERTIFICATES), is_critical=True),
    ]
    if suffixes:
        subtrees = [_der(_SEQUENCE, _general_name(suffix)) for suffix in suffixes]
        extensions.append(_extension(_NAMES, _der(_SEQUENCE, _der(0xA0, *subtrees)), is_critical=True))
    return extensions


def _extension(name: bytes, value: bytes, *, is_critical: bool = False) -> bytes:
    flag = _der(_BOOLEAN, b"\xff") if is_critical else b""
    return _der(_SEQUENCE, _der(_OID, name), flag, _der(_OCTETS, value))


def _general_name(suffix: str) -> bytes:
    """Return the constraint for a domain and the names below it, or for one address with its mask."""
    try:
        network = ip_network(suffix)
    except ValueError:
        return _der(0x82, suffix.encode("ascii"))
    return _der(0x87, network.network_address.packed, network.netmask.packed)


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key as an uncompressed point."""
    numbers = key.public_key().public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def _time(moment: datetime) -> bytes:
    if moment.year < _FIRST_YEAR_OF_LONG_TIMES:
        return _der(_UTC_TIME, f"{moment:%y%m%d%H%M%S}Z".encode("ascii"))
    return _der(_TIME, f"{moment:%Y%m%d%H%M%S}Z".encode("ascii"))


def _integer(number: int) -> bytes:
    """Encode a number that is not negative."""
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: int, *parts: bytes) -> bytes:
    """Encode a value with its tag and length."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
