"""What the queries of Athena and CloudTrail Lake have in common: how far one is, and what its answers hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from dsops.errors import AccessDenied, AwsAnswer

State = Literal["waiting", "running", "done", "failed", "cancelled"]

Row = tuple[str | None, ...]
"""The texts of one row, in the order of the question's columns; None for NULL."""

MOST_PAGES = 1000
"""Of a thousand rows each."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class QueryState(NamedTuple):
    """How far a query is."""

    state: State
    reason: str = ""
    """In AWS's words, where it failed or was cancelled."""
    scanned_bytes: int | None = None
    """So far; None where that is not told."""
    request_id: str = ""


def is_query_id(text: str) -> bool:
    """Whether that can be the id of a query: it is shown to people, and to be typed again."""
    return _ID.fullmatch(text) is not None


def object_in(content: Mapping[str, object], name: str) -> Mapping[str, object]:
    """An object member of an answer; {} where it is missing or something else."""
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def objects_in(content: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    """The objects of a list member; [] where it is missing or something else."""
    value = content.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def count_in(content: Mapping[str, object], name: str) -> int | None:
    """A number member of an answer; None where it is missing or something else."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def denied(said: AwsAnswer, doing: str, action: str) -> AccessDenied:
    """The error for a call that no policy allows."""
    hint = f"allow {action} to {_whom(said)}"
    if "explicit deny" in said.message:
        hint = f"a policy denies {action} explicitly: the message says of which kind"
    return AccessDenied(f"not allowed to {doing}", why=said.message, hint=hint, aws=said)


def _whom(said: AwsAnswer) -> str:
    match = re.search(r":assumed-role/([^/\s]+)/|:user/(?:\S*/)?([^/\s]+)", said.message)
    if match is None:
        return "whoever asks: the user, or the role of `--store`"
    return f"the role {match[1]}" if match[1] else f"the user {match[2]}"
