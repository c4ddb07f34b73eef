"""What Athena and CloudTrail Lake queries share: their state, result rows, and readers of JSON members."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from dsops.errors import AccessDenied, AwsAnswer

State = Literal["waiting", "running", "done", "failed", "cancelled"]

Row = tuple[str | None, ...]
"""The texts of one result row, in the order of the requested columns; None for NULL."""

MOST_PAGES = 1000
"""At up to a thousand rows per page."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class QueryState(NamedTuple):
    """The state of a query."""

    state: State
    reason: str = ""
    """AWS's own words, when the query failed or was cancelled."""
    scanned_bytes: int | None = None
    """Bytes scanned so far; None when AWS does not report it."""
    request_id: str = ""


def is_query_id(text: str) -> bool:
    """Whether the text has the form of a query id; the id is printed for people to copy and type."""
    return _ID.fullmatch(text) is not None


def object_in(content: Mapping[str, object], name: str) -> Mapping[str, object]:
    """An object member of an answer; {} when it is missing or of another type."""
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def objects_in(content: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    """The objects of a list member; [] when it is missing or of another type."""
    value = content.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def count_in(content: Mapping[str, object], name: str) -> int | None:
    """A non-negative integer member of an answer; None when it is missing or of another type."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def denied(answer: AwsAnswer, doing: str, action: str) -> AccessDenied:
    """The error for a call that IAM policies deny."""
    hint = f"allow {action} to {_whom(answer)}"
    if "explicit deny" in answer.message:
        hint = f"a policy denies {action} explicitly: the message says of which kind"
    return AccessDenied(f"not allowed to {doing}", why=answer.message, hint=hint, aws=answer)


def _whom(answer: AwsAnswer) -> str:
    match = re.search(r":assumed-role/([^/\s]+)/|:user/(?:\S*/)?([^/\s]+)", answer.message)
    if match is None:
        return "the caller: the user, or the role of `--store`"
    return f"the role {match[1]}" if match[1] else f"the user {match[2]}"
