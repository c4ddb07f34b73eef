"""The columns of each question, shared by the known and the naive answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

COLUMNS: Final[dict[str, str]] = {
    "timeline": "hour sessions failures principals",
    "failures": "role code failures principals first last",
    "durations": "role sessions unused asked_median asked_max used_median used_max",
    "principals": "role principal sessions failures first last",
    "accounts": "from_account to_account calls failures principals roles first last",
    "throttling": "service name code calls first last",
    "events": "category service calls",
    "saved": "name calls",
    "new-principals": "role principal sessions first",
    "new-accounts": "from_account to_account calls failures first",
    "new-addresses": "principal address calls failures known first",
    "without-mfa": "role principal calls with_mfa others",
    "without-external-id": "role from_account calls principals first last",
    "long-use": "role sessions used asked_max",
    "short-use": "role sessions used asked_median used_max",
    "denials": "principal service name role code calls first last",
    "chains": "path hops sessions first last",
    "summary": "by calls sessions failures principals roles asked_median used_median first last",
    "history": "hop time name principal role session_name source_identity address signed_by key",
}
GROUPS: Final = ("role", "principal", "account")
"""The groupings of `summary`; their answers are named `summary-role` and so on."""

Row = list[str | int | None]


def spoken(seconds: int) -> str:
    """A time in the format of answers."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def columns_of(name: str) -> list[str]:
    """The columns of a question, or of an answer to `summary` or `history`."""
    return COLUMNS["summary" if name.startswith("summary-") else name].split()
