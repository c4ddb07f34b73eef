"""A PartiQL statement -> which action on which table. What it is not sure of, it does not know.

Amazon DynamoDB Developer Guide, "PartiQL - a SQL-compatible query language for Amazon DynamoDB".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|[A-Za-z0-9_.-]+|\S""")
_VERBS: Final = {"SELECT": ("FROM",), "DELETE": ("FROM",), "INSERT": ("INTO",), "UPDATE": ()}
"""First word -> what stands before the table."""
_NOT_TWICE: Final = frozenset({"SELECT", "DELETE", "INSERT", "UPDATE", "FROM", "INTO", "JOIN", "EXISTS"})

ACTIONS: Final = ("PartiQLSelect", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete")


class Statement(NamedTuple):
    """One statement."""

    action: str
    """One of ACTIONS."""
    table: str
    secondary_index: str
    """"" for the table itself."""
    condition: tuple[str, ...]
    """The words after WHERE, quotes taken off names."""


def read_statement(text: str) -> Statement | None:
    """The statement; None for more than one table, for comments, and for all that is no plain statement."""
    tokens = _TOKEN.findall(text)
    words = [token.upper() for token in tokens]
    if not words or words[0] not in _VERBS or ";" in tokens or "--" in text or "/*" in text:
        return None
    introduced_by = _VERBS[words[0]]
    if [word for word in words if word in _NOT_TWICE] != [words[0], *introduced_by]:
        return None
    at = words.index(introduced_by[0]) + 1 if introduced_by else 1
    if words[0] in {"DELETE", "INSERT"} and at != 2:
        return None
    return _of_table(f"PartiQL{words[0].capitalize()}", tokens, at)


def _of_table(action: str, tokens: Sequence[str], at: int) -> Statement | None:
    table = _name(tokens, at)
    has_index = tokens[at + 1 : at + 2] == ["."]
    index = _name(tokens, at + 2) if has_index else ""
    # A dot inside a name could be read as the one between table and index.
    if not table or "." in table or (has_index and (not index or "." in index)):
        return None
    words = [token.upper() for token in tokens]
    where = words.index("WHERE") + 1 if "WHERE" in words else len(words)
    return Statement(action, table, index, tuple(token.strip('"') for token in tokens[where:]))


def _name(tokens: Sequence[str], at: int) -> str:
    token = tokens[at] if at < len(tokens) else ""
    if token.startswith('"'):
        return token[1:-1]
    return token if token[:1].isalnum() or token[:1] == "_" else ""


def fixes(statement: Statement, partition_key: str) -> bool:
    """Whether the condition has the partition key equal to something, so that not the whole table is read."""
    condition = statement.condition
    return any(
        name == partition_key and follows.upper() in {"=", "IN"}
        for name, follows in pairwise(condition)
    ) and not any(word.upper() == "OR" for word in condition)
