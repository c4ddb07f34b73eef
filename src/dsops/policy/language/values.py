"""Parse and compare condition values: numbers, dates, addresses, bytes. Parsers return None for invalid text."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

_LONGEST_NUMBER: Final = 400
# Every repetition in this pattern has a fixed length or ends its group, so matching never backtracks.
_DATE: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,40}))?)?(Z|[+-]\d\d:\d\d))?)?)?", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Number = tuple[int, int]
"""A decimal number: its digits as an integer, and the number of digits after the decimal point."""
Moment = tuple[int, str]
"""Seconds since 1970 in UTC, and the digits of the fraction as a string.

The string allows exact comparison at any precision.
"""


def read_number(text: str) -> Number | None:
    """Read an integer or decimal number without rounding: 0.1 is exactly a tenth."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    whole, _, fraction = digits.partition(".")
    if len(text) > _LONGEST_NUMBER or not (whole or fraction):
        return None
    if not (whole + fraction).isascii() or not (whole + fraction).isdigit():
        return None
    value = int(whole + fraction)
    return (-value if text.startswith("-") else value, len(fraction))


def compare_numbers(left: Number, right: Number) -> int:
    """Return a negative number if `left` is less than `right`, zero if they are equal, else a positive number."""
    scaled_left, scaled_right = left[0] * _power(right[1]), right[0] * _power(left[1])
    return (scaled_left > scaled_right) - (scaled_left < scaled_right)


def _power(exponent: int) -> int:
    return int("1" + "0" * exponent)


def read_moment(text: str) -> Moment | None:
    """Read a date in the W3C profile of ISO 8601 (from a year to fractions of a second), or epoch seconds.

    Four digits are read as a year.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return _read_epoch(text)
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            *(int(year), int(month or 1), int(day or 1)),
            *(int(hour or 0), int(minute or 0), int(second or 0)),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    since = moment - _EPOCH
    offset = 0
    if zone and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 23 or minutes > 59:
            return None
        offset = (hours * 60 + minutes) * (-60 if zone[0] == "-" else 60)
    return since.days * 86400 + since.seconds - offset, (fraction or "").rstrip("0")


def _read_epoch(text: str) -> Moment | None:
    seconds, point, fraction = text.partition(".")
    digits = seconds + fraction
    if len(text) > _LONGEST_NUMBER or not seconds or (point and not fraction):
        return None
    if not (digits.isascii() and digits.isdigit()):
        return None
    return int(seconds), fraction.rstrip("0")


def compare_moments(left: Moment, right: Moment) -> int:
    """Return a negative number if `left` is before `right`, zero if they are equal, else a positive number."""
    return (left > right) - (left < right)


Address = tuple[int, int]
"""An IP address: its version and its value as a number."""


def read_network(text: str) -> Callable[[Address], bool] | None:
    """Compile a test for an IPv4 or IPv6 range. A single address is a range of one."""
    import ipaddress  # This import takes milliseconds, and most policies contain no address.

    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    # AWS requires CIDR notation. A mask that is written as an address (203.0.113.0/255.255.255.0) is refused.
    if "/" in text and not text.rpartition("/")[2].isdigit():
        return None
    version, first, last = network.version, int(network.network_address), int(network.broadcast_address)
    return lambda address: address[0] == version and first <= address[1] <= last


def read_address(text: str) -> Address | None:
    """Read an IPv4 or IPv6 address."""
    import ipaddress

    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return address.version, int(address)


def read_bytes(text: str) -> bytes | None:
    """Decode base64 text."""
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (ValueError, binascii.Error):
        return None
