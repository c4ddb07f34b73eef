"""Extract action and table from a PartiQL statement. An ambiguous statement is treated as unknown.

Source: Amazon DynamoDB Developer Guide, "PartiQL - a SQL-compatible query language for Amazon DynamoDB".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|[A-Za-z0-9_.-]+|\S""")
_VERBS: Final = {"SELECT": ("FROM",), "DELETE": ("FROM",), "INSERT": ("INTO",), "UPDATE": ()}
"""Maps the first word of a statement to the words that precede the table's name."""
_WORDS: Final = frozenset(
    """
    ALL AND ASC BETWEEN BY DESC FALSE IN IS LIKE MISSING MODIFIED NEW NOT NULL OLD OR ORDER REMOVE RETURNING SET
    TRUE VALUE WHERE
    """.split()
)
"""Keywords of PartiQL, which are not attribute names."""
_OPERATORS: Final = frozenset("=<>!|+-*/.")
_NOT_TWICE: Final = frozenset({"SELECT", "DELETE", "INSERT", "UPDATE", "FROM", "INTO", "JOIN", "EXISTS"})

ACTIONS: Final = ("PartiQLSelect", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete")


class PartiqlStatement(NamedTuple):
    """A PartiQL statement in parsed form."""

    action: str
    """The action to authorize, one of ACTIONS."""
    table: str
    secondary_index: str
    """The name of the index in the statement; "" if it names only the table."""
    condition: tuple[str, ...]
    """The tokens after WHERE, with names unquoted."""
    words: tuple[str, ...]
    """All tokens except the verb and the table, as written."""


def read_statement(text: str) -> PartiqlStatement | None:
    """Parse a statement on one table.

    Returns None for several tables, comments, and syntax that is not supported here.
    """
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
    # A name with a dot is refused, because the dot could be taken for the separator of table and index.
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
    """Whether the condition limits the partition key to certain values, so that the table is not scanned."""
    places = range(len(statement.condition))
    return not _is_not_equality(statement.condition) and any(
        _is_key(statement.condition, at, partition_key) and _follows(statement.condition, at) in {"=", "IN"}
        for at in places
    )


def _is_not_equality(words: Sequence[str]) -> bool:
    """Whether the condition contains OR or NOT, so that items with other key values may match."""
    return any(word.upper() in {"OR", "NOT"} for word in words)


def _is_key(words: Sequence[str], at: int, partition_key: str) -> bool:
    """Whether the word is the partition key, and not a nested attribute of the same name."""
    return words[at].strip('"') == partition_key and (at == 0 or words[at - 1] != ".")


def _follows(words: Sequence[str], at: int) -> str:
    return words[at + 1].upper() if at + 1 < len(words) else ""


def key_values(statement: PartiqlStatement, partition_key: str, parameters: Sequence[str]) -> tuple[str, ...]:
    """Return the partition key values in the statement, with "" for a value that can't be determined.

    "" matches no policy.
    """
    values: list[str] = []
    words = statement.words
    for at, word in enumerate(words):
        follows = _follows(words, at)
        is_key = _is_key(words, at, partition_key)
        if (is_key and follows == "=") or (word == f"'{partition_key}'" and follows == ":"):
            is_whole = _follows(words, at + 2) not in _OPERATORS
            values.append(_value(words, at + 2, parameters) if is_whole else "")
        elif is_key and follows == "IN":
            values += [_value(words, position, parameters) for position in _value_positions(words, at + 2)] or [""]
    return (*values, "") if values and _is_not_equality(words) else tuple(values)


def attributes_named(statement: PartiqlStatement) -> tuple[str, ...]:
    """Return the top-level attributes that a statement names."""
    names: dict[str, None] = {}
    for before, word, follows in zip(("", *statement.words), statement.words, (*statement.words[1:], ""), strict=False):
        if before == "." or follows == "(":
            continue
        if word.startswith('"') or (word.startswith("'") and follows == ":"):
            names[word[1:-1]] = None
        elif (word[:1].isalpha() or word[:1] == "_") and word.upper() not in _WORDS:
            names[word.partition(".")[0]] = None
    return tuple(names)


def _value_positions(words: Sequence[str], at: int) -> range:
    """Return the positions of the comma-separated values in `[...]` or `(...)`."""
    if at >= len(words) or words[at] not in {"[", "("}:
        return range(0)
    end = next((place for place in range(at, len(words)) if words[place] in {"]", ")"}), at)
    return range(at + 1, end, 2)


def _value(words: Sequence[str], at: int, parameters: Sequence[str]) -> str:
    """Return a literal, or the value of a `?` placeholder; "" for anything else."""
    word = words[at] if at < len(words) else ""
    if word.startswith("'"):
        return word[1:-1].replace("''", "'")
    if word == "?":
        number = words[:at].count("?")
        return parameters[number] if number < len(parameters) else ""
    return word if word[:1].isdigit() or (word[:1] == "-" and word[1:2].isdigit()) else ""
