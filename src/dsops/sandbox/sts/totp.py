"""Verify one-time codes of virtual MFA devices."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from dsops.totp import STEP_SECONDS, code_at, code_of, key_of

__all__ = ["STEP_SECONDS", "are_consecutive", "code_at", "is_seed", "step_of"]


def step_of(seed: str, code: str, now: float) -> int | None:
    """Return the time step of a code, which must be the current step or next to it; None for a wrong code.

    RFC 6238 (5.2) recommends a tolerance of one step either way for clock drift.
    """
    key = key_of(seed)
    return next((step for step in _nearby_steps(now) if hmac.compare_digest(code_of(key, step), code)), None)


def are_consecutive(seed: str, first: str, second: str, now: float) -> bool:
    """Whether the two codes belong to consecutive, current time steps, as enabling an MFA device requires."""
    key = key_of(seed)
    steps = (int(now // STEP_SECONDS) + shift for shift in range(-2, 2))
    return any(
        hmac.compare_digest(code_of(key, step), first) and hmac.compare_digest(code_of(key, step + 1), second)
        for step in steps
    )


def is_seed(text: str) -> bool:
    """Whether the text is base32 of at least one byte, padded or not."""
    try:
        return len(key_of(text)) > 0
    except ValueError:
        return False


def _nearby_steps(now: float) -> Iterator[int]:
    step = int(now // STEP_SECONDS)
    yield from (step, step - 1, step + 1)
