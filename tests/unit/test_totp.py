"""Compare TOTP codes with RFC 6238 and pyotp, and parse seeds."""

from __future__ import annotations

import base64

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops import totp

RFC_SEED = base64.b32encode(b"12345678901234567890").decode()
AWS_SEED = "JBSWY3DPEHPK3PXP" * 4


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    """Codes equal RFC 6238's test vectors (appendix B, SHA1), reduced to the six digits that AWS's devices show."""
    assert totp.code_at(RFC_SEED, seconds) == code[-6:]


@given(key=st.binary(min_size=14, max_size=64), now=st.integers(min_value=0, max_value=1 << 36))
def test_codes_are_those_of_pyotp(key: bytes, now: int) -> None:
    """Codes equal pyotp's for any seed and time."""
    seed = base64.b32encode(key).decode()
    assert totp.code_at(seed, now) == pyotp.TOTP(seed).at(now)


def test_a_code_is_shown_for_half_a_minute() -> None:
    """A code is valid for 30 seconds; then the next code follows."""
    assert [totp.seconds_left(now) for now in (0, 0.9, 1, 29, 29.5, 30)] == [30, 30, 29, 1, 1, 30]
    first, last, following = (totp.code_at(RFC_SEED, now) for now in (30, 59.9, 60))
    assert first == last != following


@pytest.mark.parametrize(
    "text",
    [
        AWS_SEED,
        f" {AWS_SEED.lower()}\n",
        " ".join(AWS_SEED[start : start + 4] for start in range(0, 64, 4)),
        f"otpauth://totp/Amazon%20Web%20Services:ada@123456789012?secret={AWS_SEED}&issuer=Amazon%20Web%20Services",
        f"OTPAUTH://TOTP/ada?Secret={AWS_SEED.lower()}&digits=6&period=30&algorithm=sha1",
    ],
)
def test_a_seed_is_read_as_aws_shows_it(text: str) -> None:
    """A seed is parsed from text with any spacing, or from the link in the QR code."""
    assert totp.read_seed(text) == AWS_SEED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("123456", "it is a code"),
        ("apple", "it has 5 letters"),
        ("ABCDEFGHIJKLMNO1", "it is not base32"),
        ("not!a!seed!at!all", "it is not base32"),
        ("otpauth://hotp/ada?secret=" + AWS_SEED, "counter-based codes"),
        ("otpauth://totp/ada", "no `secret`"),
        ("otpauth://totp/ada?digits=8&secret=" + AWS_SEED, "six digits"),
        ("otpauth://totp/ada?period=60&secret=" + AWS_SEED, "30 seconds"),
        ("otpauth://totp/ada?algorithm=SHA256&secret=" + AWS_SEED, "SHA1"),
        ("ABCDEFGHIJKLMNOPQ", "it is not base32"),
    ],
)
def test_what_is_no_seed_is_refused_without_repeating_it(text: str, reason: str) -> None:
    """The error for an invalid seed does not repeat the seed."""
    with pytest.raises(ValueError) as caught:
        totp.read_seed(text)
    assert reason in str(caught.value)
    assert not text or text not in str(caught.value)
    assert AWS_SEED not in str(caught.value)
