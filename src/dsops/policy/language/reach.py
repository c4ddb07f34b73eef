"""Compare the resource patterns of a statement with a resource of which parts are unknown.

An unknown resource is an ARN in which `ANY_TEXT` stands for any text and `ANY_CHARACTER` for any one character. A
pattern covers such a resource if it matches every possible value, and meets it if it matches at least one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from dsops.policy.language.elements import ResourceElement
from dsops.policy.language.match import split_sections
from dsops.policy.language.tokens import ANY_ONE, ANY_RUN, Context, PolicyVariable, Resolved, Token, resolve, tokenize
from dsops.startup import NamedTuple

ANY_TEXT: Final = "\ue000"
"""A private-use character that stands for an unknown text, which may be empty."""
ANY_CHARACTER: Final = "\ue001"
"""A private-use character that stands for one unknown character."""

_RUN, _ONE, _OTHER = ANY_TEXT, ANY_CHARACTER, "\ue002"


class Reached(NamedTuple):
    """How patterns and an unknown resource compare."""

    covers: bool
    """Whether the patterns match every possible value."""
    meets: bool
    """Whether the patterns match at least one possible value."""


def is_unknown(text: str) -> bool:
    """Whether parts of a resource or of a value are unknown."""
    return _RUN in text or _ONE in text


def shown(text: str) -> str:
    """Return a partly unknown text for messages, with `*` and `?` for unknown parts."""
    return text.replace(_RUN, "*").replace(_ONE, "?")


def reach_of(element: ResourceElement, unknown: str, context: Context, *, has_variables: bool) -> Reached:
    """Compare a Resource or NotResource element with an unknown resource.

    The result is for the element itself: for NotResource, it covers what no pattern matches. A pattern with a variable
    that has no value matches nothing; in NotResource, it may exclude everything.
    """
    covers = meets = False
    for text in element.written:
        sections = _resolved(text, context, has_variables=has_variables)
        if sections is None:
            meets = meets or element.is_negated
            continue
        one = _compared(sections, unknown)
        covers, meets = covers or one.covers, meets or one.meets
    return Reached(not meets, not covers) if element.is_negated else Reached(covers, meets)


def _resolved(text: str, context: Context, *, has_variables: bool) -> tuple[str, ...] | None:
    """Return the sections of a pattern in the alphabet of unknown texts; None if a variable has no value."""
    if not has_variables or "${" not in text:
        return _sections(text)
    try:
        sections = split_sections(tokenize(text, has_variables=True, has_wildcards=True))
    except ValueError:
        return None
    if len(sections) < 6:
        return _sections(text)
    last = resolve(sections[5], context)
    if last is None:
        return None
    return (*(_written(section) for section in sections[:5]), _written(last))


@lru_cache(maxsize=4096)
def _sections(text: str) -> tuple[str, ...]:
    return tuple(
        _written(section) for section in split_sections(tokenize(text, has_variables=False, has_wildcards=True))
    )


def _written(tokens: Sequence[Token | Resolved]) -> str:
    """Return tokens as a text in which the wildcards are the characters for unknown text.

    These characters in the policy's own text are replaced by one that no unknown text matches.
    """
    return "".join(
        _RUN
        if token is ANY_RUN
        else _ONE
        if token is ANY_ONE
        else token.written
        if isinstance(token, PolicyVariable)
        else str(token).replace(_RUN, _OTHER).replace(_ONE, _OTHER)
        for token in tokens
    )


@lru_cache(maxsize=8192)
def _compared(sections: tuple[str, ...], unknown: str) -> Reached:
    if sections == (_RUN,):
        return Reached(covers=True, meets=True)
    parts = unknown.split(":", 5)
    if len(parts) < 6:
        # The resource is unknown, so only the pattern `*` is certain to match it.
        return Reached(covers=False, meets=True)
    if len(sections) < 6:
        # A short pattern such as `arn:aws:ec2:*` ends in `*`, which also matches the missing parts.
        last = len(sections) - 1
        parts = [*parts[:last], ":".join(parts[last:])]
    pairs = list(zip(sections, parts, strict=True))
    return Reached(
        all(_covers(pattern, part) for pattern, part in pairs), all(_meets(pattern, part) for pattern, part in pairs)
    )


def _covers(pattern: str, unknown: str) -> bool:
    """Whether the pattern matches every value. A `?` or literal of the pattern never covers an unknown run."""
    positions = _closed({0}, pattern)
    for symbol in unknown:
        following = set()
        for position in positions:
            wanted = pattern[position] if position < len(pattern) else ""
            if wanted == _RUN:
                following.add(position)
            elif wanted and ((wanted == _ONE and symbol != _RUN) or (wanted == symbol and symbol not in {_RUN, _ONE})):
                following.add(position + 1)
        positions = _closed(following, pattern)
        if not positions:
            return False
    return len(pattern) in positions


def _closed(positions: set[int], pattern: str) -> set[int]:
    """Add the positions that are reached by letting a `*` of the pattern match nothing."""
    closed = set()
    for start in positions:
        position = start
        closed.add(position)
        while position < len(pattern) and pattern[position] == _RUN:
            position += 1
            closed.add(position)
    return closed


def _meets(pattern: str, unknown: str) -> bool:
    """Whether the pattern and the unknown text have a value in common."""
    if pattern == unknown:
        return True
    states = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        left, right = waiting.pop()
        if left == len(pattern) and right == len(unknown):
            return True
        for state in _steps(pattern, unknown, left, right):
            if state not in states:
                states.add(state)
                waiting.append(state)
    return False


def _steps(pattern: str, unknown: str, left: int, right: int) -> list[tuple[int, int]]:
    first = pattern[left] if left < len(pattern) else ""
    second = unknown[right] if right < len(unknown) else ""
    steps = []
    if first == _RUN:
        steps.append((left + 1, right))
        if second:
            steps.append((left, right + 1))
    if second == _RUN:
        steps.append((left, right + 1))
        if first:
            steps.append((left + 1, right))
    if first and second and _RUN not in (first, second) and (first == second or _ONE in (first, second)):
        steps.append((left + 1, right + 1))
    return steps
