"""Find the principals in trust and resource policies; replace a principal when a user or role is deleted.

AWS stores a principal by its unique id. After the user or role is deleted, the policy shows this id, and a new user
or role with the same name does not match (IAM User Guide, "AWS JSON policy elements: Principal").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple


class Carrier(NamedTuple):
    """The text of a policy document that contains principals, and a function that stores the changed text."""

    text: str
    write: Callable[[str], None]


def principals_of(text: str, kind: str = "AWS") -> list[str]:
    """Return all principals of one type in a valid policy document."""
    principals: list[str] = []
    for holder, key in _places(json.loads(text), kind):
        values = holder[key]
        principals += [values] if isinstance(values, str) else values
    return principals


def replace_principal(carriers: Iterable[Carrier], old: str, new: str) -> None:
    """Replace the principal `old` with `new` in all policies that name `old`."""
    for carrier in carriers:
        # JSON can escape any character, so searching the text is not enough for a document with escapes.
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


def _places(document: Any, kind: str) -> Iterator[tuple[dict[str, Any], str]]:  # Any: `document` may be any JSON value
    """Yield (principals, key) for each principal element that has an entry of this type, such as `"AWS": ...`."""
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    for statement in [statements] if isinstance(statements, dict) else statements:
        for element in ("Principal", "NotPrincipal"):
            principal = statement.get(element)
            if isinstance(principal, dict) and kind in principal:
                yield principal, kind
