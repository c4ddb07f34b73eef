"""The principals that trust and resource policies name, and what becomes of them when a user or role goes.

AWS keeps a principal by its unique id: once the user or role is deleted the policy shows the id, and one of the same
name that comes after is somebody else (IAM User Guide, "AWS JSON policy elements: Principal").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple


class Carrier(NamedTuple):
    """A policy that names principals, and how to put another text in its place."""

    text: str
    write: Callable[[str], None]


def principals_of(text: str, kind: str = "AWS") -> list[str]:
    """Every principal of that type that a well-formed document names."""
    found: list[str] = []
    for holder, key in _places(json.loads(text), kind):
        values = holder[key]
        found += [values] if isinstance(values, str) else values
    return found


def replace_principal(carriers: Iterable[Carrier], old: str, new: str) -> None:
    """Writes `new` for `old` wherever a policy names it as a principal."""
    for carrier in carriers:
        # JSON may write any letter as an escape.
        if old not in carrier.text and "\\" not in carrier.text:
            continue
        document = json.loads(carrier.text)
        for holder, key in _places(document, "AWS"):
            values = holder[key]
            if isinstance(values, str):
                holder[key] = new if values == old else values
            else:
                holder[key] = [new if value == old else value for value in values]
        carrier.write(json.dumps(document))


def _places(document: Any, kind: str) -> Iterator[tuple[dict[str, Any], str]]:  # any JSON: others are passed over
    """Where `"AWS": ...`, or principals of another type, stand in its statements."""
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    for statement in [statements] if isinstance(statements, dict) else statements:
        for element in ("Principal", "NotPrincipal"):
            principal = statement.get(element)
            if isinstance(principal, dict) and kind in principal:
                yield principal, kind
