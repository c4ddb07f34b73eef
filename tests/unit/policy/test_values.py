"""Numbers, dates, addresses and bytes in conditions."""

from __future__ import annotations

import pytest

from dsops.policy.language.values import (
    compare_moments,
    compare_numbers,
    read_address,
    read_bytes,
    read_moment,
    read_network,
    read_number,
)


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("10", "9", 1),
        ("10", "10.000", 0),
        ("-1", "1", -1),
        ("0.1", "0.10000000000000000000001", -1),
        ("+5", "5", 0),
        (".5", "0.5", 0),
        ("5.", "5", 0),
        ("-0", "0", 0),
        ("0030", "30", 0),
        ("9007199254740993", "9007199254740992", 1),
    ],
)
def test_numbers_compare_exactly(left: str, right: str, order: int) -> None:
    """Decimal numbers compare exactly, beyond the precision of floats."""
    first, second = read_number(left), read_number(right)
    assert first is not None
    assert second is not None
    assert order == compare_numbers(first, second)
    assert -order == compare_numbers(second, first)


@pytest.mark.parametrize("text", ["", "-", ".", "1e3", "0x1f", "1,000", "٣", "1 ", "NaN", "1_0", "9" * 401, "--1"])
def test_what_is_no_decimal_number_is_not_read(text: str) -> None:
    """Exponents, non-ASCII digits and overlong texts are not parsed as numbers."""
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("2026", "2026-01-01T00:00:00Z", 0),
        ("2026-03", "2026-03-01", 0),
        ("2026-01-01T02:00+02:00", "2026-01-01T00:00:00Z", 0),
        ("2025-12-31T19:00:00-05:00", "2026-01-01T00:00Z", 0),
        ("2026-01-01T00:00:00.1Z", "2026-01-01T00:00:00.10Z", 0),
        ("2026-01-01T00:00:00.09Z", "2026-01-01T00:00:00.1Z", -1),
        ("1767225600", "2026-01-01T00:00:00Z", 0),
        ("1767225600.5", "2026-01-01T00:00:00.500Z", 0),
        ("1969-12-31T23:59:59Z", "0", -1),
        ("2026-02-28", "2026-03-01", -1),
    ],
)
def test_dates_and_epoch_seconds_compare_as_moments(left: str, right: str, order: int) -> None:
    """ISO 8601 times of any zone and precision, and epoch seconds, compare as times."""
    first, second = read_moment(left), read_moment(right)
    assert first is not None
    assert second is not None
    assert order == compare_moments(first, second)
    assert -order == compare_moments(second, first)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-13",
        "2026-02-30",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-1-1",
        "2026-01-01T25:00Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+00:60",
        "-5",
        "12345.",
        "1e9",
        "2026-01-01Z",
        "0000-01-01",
    ],
)
def test_what_is_no_date_is_not_read(text: str) -> None:
    """A time without zone, an impossible day and other formats are not parsed as dates."""
    assert read_moment(text) is None


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("203.0.113.99/24", "203.0.113.1", "203.0.112.1"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("2001:DB8:1234:5678::/64", "2001:db8:1234:5678::9", "2001:db8:1234:5679::"),
        ("2001:db8::1", "2001:db8:0:0::1", "2001:db8::2"),
        ("::/0", "::1", "127.0.0.1"),
    ],
)
def test_an_address_is_inside_its_range_and_in_no_other(network: str, inside: str, outside: str) -> None:
    """An address (IPv4 or IPv6) is in its CIDR range and in no other; a bare address is a range of one address."""
    contains = read_network(network)
    first, second = read_address(inside), read_address(outside)
    assert contains is not None
    assert first is not None
    assert second is not None
    assert contains(first)
    assert not contains(second)


@pytest.mark.parametrize("text", ["", "localhost", "203.0.113.0/33", "203.0.113.0/255.255.255.0", "203.0.113", "1"])
def test_what_is_no_range_is_not_read(text: str) -> None:
    """Names, impossible prefix lengths and netmasks are not parsed as CIDR ranges."""
    assert read_network(text) is None


@pytest.mark.parametrize("text", ["", "203.0.113.0/24", "host", "203.0.113.007"])
def test_what_is_no_address_is_not_read(text: str) -> None:
    """A range is not parsed as an address; an address with leading zeros is refused as ambiguous."""
    assert read_address(text) is None


def test_base64_is_read_strictly() -> None:
    """Only well-formed base64 is decoded."""
    assert b"hi" == read_bytes("aGk=")
    for text in ("aGk", "aG k=", "ä", "===="):
        assert read_bytes(text) is None
