"""A PartiQL statement -> which action on which table. What it is not sure of, it does not know.

Amazon DynamoDB Developer Guide, "PartiQL - a SQL-compatible query language for Amazon DynamoDB".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|[A-Za-z0-9_.-]+|\S""")
_VERBS: Final = {"SELECT": ("FROM",), "DELETE": ("FROM",), "INSERT": ("INTO",), "UPDATE": ()}
"""First word -> what stands before the table."""
_WORDS: Final = frozenset(
    """
    ALL AND ASC BETWEEN BY DESC FALSE IN IS LIKE MISSING MODIFIED NEW NOT NULL OLD OR ORDER REMOVE RETURNING SET
    TRUE VALUE WHERE
    """.split()
)
"""What is no attribute among the words of a statement."""
_OPERATORS: Final = frozenset("=<>!|+-*/.")
_NOT_TWICE: Final = frozenset({"SELECT", "DELETE", "INSERT", "UPDATE", "FROM", "INTO", "JOIN", "EXISTS"})

ACTIONS: Final = ("PartiQLSelect", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete")


class PartiqlStatement(NamedTuple):
    """One statement."""

    action: str
    """One of ACTIONS."""
    table: str
    secondary_index: str
    """Empty for the table itself."""
    condition: tuple[str, ...]
    """The words after WHERE, quotes taken off names."""
    words: tuple[str, ...]
    """All but the verb and the table, as it is written."""


def read_statement(text: str) -> PartiqlStatement | None:
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


def _of_table(action: str, tokens: Sequence[str], at: int) -> PartiqlStatement | None:
    table = _name(tokens, at)
    has_index = tokens[at + 1 : at + 2] == ["."]
    index = _name(tokens, at + 2) if has_index else ""
    # A dot inside a name could be read as the one between table and index.
    if not table or "." in table or (has_index and (not index or "." in index)):
        return None
    words = [token.upper() for token in tokens]
    where = words.index("WHERE") + 1 if "WHERE" in words else len(words)
    behind = at + (3 if has_index else 1)
    return PartiqlStatement(
        action,
        table,
        index,
        tuple(token.strip('"') for token in tokens[where:]),
        (*tokens[1 : at - 1], *tokens[behind:]),
    )


def _name(tokens: Sequence[str], at: int) -> str:
    token = tokens[at] if at < len(tokens) else ""
    if token.startswith('"'):
        return token[1:-1]
    return token if token[:1].isalnum() or token[:1] == "_" else ""


def fixes(statement: PartiqlStatement, partition_key: str) -> bool:
    """Whether the condition has the partition key equal to something, so that not the whole table is read."""
    places = range(len(statement.condition))
    return not _turns(statement.condition) and any(
        _is_key(statement.condition, at, partition_key) and _follows(statement.condition, at) in {"=", "IN"}
        for at in places
    )


def _turns(words: Sequence[str]) -> bool:
    """Whether other items than those with the key's value may be meant."""
    return any(word.upper() in {"OR", "NOT"} for word in words)


def _is_key(words: Sequence[str], at: int, partition_key: str) -> bool:
    """Whether the word is the partition key, and not something of its name inside an attribute."""
    return words[at].strip('"') == partition_key and (at == 0 or words[at - 1] != ".")


def _follows(words: Sequence[str], at: int) -> str:
    return words[at + 1].upper() if at + 1 < len(words) else ""


def key_values(statement: PartiqlStatement, partition_key: str, parameters: Sequence[str]) -> tuple[str, ...]:
    """What the statement wants the partition key to be; "", which no policy has, where that can't be read for sure."""
    found: list[str] = []
    words = statement.words
    for at, word in enumerate(words):
        follows = _follows(words, at)
        is_key = _is_key(words, at, partition_key)
        if (is_key and follows == "=") or (word == f"'{partition_key}'" and follows == ":"):
            is_whole = _follows(words, at + 2) not in _OPERATORS
            found.append(_value(words, at + 2, parameters) if is_whole else "")
        elif is_key and follows == "IN":
            found += [_value(words, each, parameters) for each in _listed(words, at + 2)] or [""]
    return (*found, "") if found and _turns(words) else tuple(found)


def attributes_named(statement: PartiqlStatement) -> tuple[str, ...]:
    """The attributes at the top that the statement names."""
    found: dict[str, None] = {}
    for before, word, follows in zip(("", *statement.words), statement.words, (*statement.words[1:], ""), strict=False):
        if before == "." or follows == "(":
            continue
        if word.startswith('"') or (word.startswith("'") and follows == ":"):
            found[word[1:-1]] = None
        elif (word[:1].isalpha() or word[:1] == "_") and word.upper() not in _WORDS:
            found[word.partition(".")[0]] = None
    return tuple(found)


def _listed(words: Sequence[str], at: int) -> range:
    """The places of the values in `[...]` or `(...)`: every second one, commas are between."""
    if at >= len(words) or words[at] not in {"[", "("}:
        return range(0)
    end = next((place for place in range(at, len(words)) if words[place] in {"]", ")"}), at)
    return range(at + 1, end, 2)


def _value(words: Sequence[str], at: int, parameters: Sequence[str]) -> str:
    """A text or number as it is written, a question mark's parameter; "" for everything else."""
    word = words[at] if at < len(words) else ""
    if word.startswith("'"):
        return word[1:-1].replace("''", "'")
    if word == "?":
        number = words[:at].count("?")
        return parameters[number] if number < len(parameters) else ""
    return word if word[:1].isdigit() or (word[:1] == "-" and word[1:2].isdigit()) else ""
