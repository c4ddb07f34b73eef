"""Split policy text into literals, wildcards and variables; replace the variables by a request's values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dsops.policy.language.letters import lower_case
from dsops.startup import NamedTuple

Context = Mapping[str, tuple[str, ...]]
"""Maps a condition key in lower case to the request's values of that key."""


class Wildcard:
    """`*` (any run of characters, or none) or `?` (any one character)."""

    __slots__ = ("written",)

    def __init__(self, pattern_text: str) -> None:
        self.written = pattern_text

    def __repr__(self) -> str:
        return f"Wildcard({self.written!r})"


ANY_RUN: Final = Wildcard("*")
ANY_ONE: Final = Wildcard("?")


class PolicyVariable(NamedTuple):
    """A policy variable, `${key}` or `${key, 'default'}`. It is replaced by the request's value as literal text."""

    key: str
    """The condition key in lower case, as in a Context."""
    default: str | None
    written: str


Token = str | Wildcard | PolicyVariable
Resolved = str | Wildcard


_VARIABLE: Final = re.compile(r"\$\{")
_WILDCARD: Final = re.compile(r"[*?]")
_EITHER: Final = re.compile(r"\$\{|[*?]")


def tokenize(text: str, *, has_variables: bool, has_wildcards: bool) -> tuple[Token, ...]:
    """Return the literals, wildcards and variables of a policy value. Raises ValueError for a malformed variable.

    `${*}`, `${?}` and `${$}` stand for the literal characters (AWS IAM User Guide, "IAM policy elements: Variables
    and tags").
    """
    has_variables = has_variables and "${" in text
    has_wildcards = has_wildcards and ("*" in text or "?" in text)
    if not (has_variables or has_wildcards):
        return (text,) if text else ()
    tokens: list[Token] = []
    literal = ""
    position = 0
    while position < len(text):
        following = _next_special(text, position, has_variables=has_variables, has_wildcards=has_wildcards)
        literal += text[position:following]
        if following == len(text):
            break
        token: Token
        if text[following] == "$":
            token, position = _read_variable(text, following)
        else:
            token, position = (ANY_RUN if text[following] == "*" else ANY_ONE), following + 1
        if isinstance(token, str):
            literal += token
            continue
        if literal:
            tokens.append(literal)
            literal = ""
        tokens.append(token)
    if literal:
        tokens.append(literal)
    return tuple(tokens)


def _next_special(text: str, position: int, *, has_variables: bool, has_wildcards: bool) -> int:
    """Return the position of the next wildcard or variable; the text's length when there is none."""
    special = _EITHER if has_variables and has_wildcards else _WILDCARD if has_wildcards else _VARIABLE
    match = special.search(text, position)
    return match.start() if match else len(text)


def _read_variable(text: str, start: int) -> tuple[str | PolicyVariable, int]:
    """Return the variable or escape that begins at `start`, and the position after it."""
    brace = text.find("}", start)
    if brace < 0:
        raise ValueError("a `${` has no closing `}`")
    quote = text.find("'", start, brace)
    if quote < 0:
        key, default, end = text[start + 2 : brace], None, brace + 1
        if key in ("*", "?", "$"):
            return key, end
    else:
        closing = text.find("'", quote + 1)
        if closing < 0:
            raise ValueError("a variable's default has no closing quote")
        if not text.startswith("}", closing + 1):
            raise ValueError("a variable's default is followed by something other than `}`")
        key, default, end = text[start + 2 : quote].rstrip(" "), text[quote + 1 : closing], closing + 2
        if not key.endswith(","):
            raise ValueError("a variable's default stands behind a comma: `${key, 'default'}`")
        key = key[:-1]
    if not key:
        raise ValueError("a variable has no name: `${}`")
    if key != key.strip() or "$" in key or "{" in key:
        raise ValueError(f"`${{{key}}}` is not the name of a variable")
    return PolicyVariable(lower_case(key), default, text[start:end]), end


def is_static(tokens: Iterable[Token]) -> bool:
    """Whether the tokens contain no variable."""
    return not any(isinstance(token, PolicyVariable) for token in tokens)


def resolve(tokens: Sequence[Token], context: Context) -> list[Resolved] | None:
    """Replace variables by the request's values; None if a variable has neither a value nor a default.

    A variable's value is literal: a `*` in a user's name matches only itself. A key with several values can't be used
    as a variable, and an empty string counts as no value (AWS IAM User Guide, "Policy variables with no value").
    """
    resolved: list[Resolved] = []
    for token in tokens:
        if not isinstance(token, PolicyVariable):
            resolved.append(token)
            continue
        values = context.get(token.key)
        if values and len(values) > 1:
            return None
        if values and values[0]:
            resolved.append(values[0])
        elif token.default is not None:
            resolved.append(token.default)
        else:
            return None
    return resolved


def literal_text(tokens: Iterable[Resolved]) -> str:
    """Join the tokens into one text, with wildcards as written."""
    return "".join(token if isinstance(token, str) else token.written for token in tokens)
