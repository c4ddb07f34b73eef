"""Wildcards and ARN patterns, which are compiled once and then matched without backtracking.

No regular expression is built from a policy's text, so the matching time depends only on the lengths of pattern and
text. The search for each run of literal characters starts at the end of the previous match and happens only once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsops.policy.language.tokens import ANY_ONE, ANY_RUN, PolicyVariable, Resolved, Token, literal_text

Predicate = Callable[[str], bool]


def anything(text: str) -> bool:  # noqa: ARG001 - a predicate takes the text
    """Return the test for `*`: match any text."""
    return True


def compile_glob(tokens: Sequence[Resolved]) -> Predicate:
    """Compile a test of a whole text. `*` matches any run of characters, `?` any one character."""
    pieces: list[list[Resolved]] = [[]]
    for token in tokens:
        if token is ANY_RUN:
            pieces.append([])
        else:
            pieces[-1].append(token)
    if not any(ANY_ONE in piece for piece in pieces):
        return _literal_glob([literal_text(piece) for piece in pieces])
    return _holed_glob([_Piece(piece) for piece in pieces])


def _literal_glob(pieces: list[str]) -> Predicate:
    """Compile a glob without `?`.

    The literal pieces must occur in order, the first at the start of the text, the last at its end.
    """
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return first.__eq__
    middle = [piece for piece in pieces[1:-1] if piece]
    if not middle:
        if not last:
            return _starts(first) if first else anything
        if not first:
            return lambda text: text.endswith(last)
    shortest = len(first) + len(last)

    def matches(text: str) -> bool:
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        position, end = len(first), len(text) - len(last)
        for piece in middle:
            # The earliest occurrence is the best choice, because more text is left for the pieces that follow.
            position = text.find(piece, position, end)
            if position < 0:
                return False
            position += len(piece)
        return True

    return matches


def _starts(first: str) -> Predicate:
    return lambda text: text.startswith(first)


class _Piece:
    """The part of a glob between two `*`. It consists of literals and `?`, so its length is fixed."""

    __slots__ = ("_fixed", "_goal", "_masks", "_open", "length")

    def __init__(self, tokens: Sequence[Resolved]) -> None:
        fixed: list[tuple[int, str]] = []
        masks: dict[str, int] = {}
        is_open = 0
        position = 0
        for token in tokens:
            if not isinstance(token, str):
                is_open |= 1 << position
                position += 1
                continue
            fixed.append((position, token))
            for character in token:
                masks[character] = masks.get(character, 0) | 1 << position
                position += 1
        self.length = position
        self._fixed = tuple(fixed)  # The literals with their positions.
        self._open = is_open  # A bit mask of the positions that accept any character.
        # For each character, a bit mask of the positions that accept it.
        self._masks = {character: mask | is_open for character, mask in masks.items()}
        self._goal = 1 << position >> 1

    def is_at(self, text: str, start: int) -> bool:
        """Whether the piece matches exactly at position `start`."""
        return start + self.length <= len(text) and all(
            text.startswith(literal, start + offset) for offset, literal in self._fixed
        )

    def end_in(self, text: str, start: int, end: int) -> int:
        """Return the end of the first match between `start` and `end`; -1 if there is none.

        The algorithm is Shift-and (Baeza-Yates and Gonnet, 1992). For each character of the text, it tests all
        positions of the pattern in one step.
        """
        if not self.length:
            return start
        state = 0
        for position in range(start, end):
            state = (state << 1 | 1) & self._masks.get(text[position], self._open)
            if state & self._goal:
                return position + 1
        return -1


def _holed_glob(pieces: list[_Piece]) -> Predicate:
    first, middle, last = pieces[0], pieces[1:-1], pieces[-1]
    if len(pieces) == 1:
        return lambda text: len(text) == first.length and first.is_at(text, 0)
    shortest = first.length + last.length

    def matches(text: str) -> bool:
        end = len(text) - last.length
        if len(text) < shortest or not first.is_at(text, 0) or not last.is_at(text, end):
            return False
        position = first.length
        for piece in middle:
            position = piece.end_in(text, position, end)
            if position < 0:
                return False
        return True

    return matches


ArnPredicate = Callable[[Sequence[str]], bool]
"""A test that takes the six parts of an ARN."""


def split_arn(text: str) -> list[str] | None:
    """Split an ARN into its six parts, `arn` first; None when the text is not an ARN."""
    parts = text.split(":", 5)
    return parts if len(parts) == 6 and parts[0] == "arn" else None


def split_sections(tokens: Sequence[Token]) -> list[list[Token]]:
    """Split the tokens at the first five literal colons. Colons in a variable's value do not split."""
    sections: list[list[Token]] = [[]]
    for token in tokens:
        if not isinstance(token, str):
            sections[-1].append(token)
            continue
        pieces = token.split(":", 6 - len(sections))
        for index, piece in enumerate(pieces):
            if index:
                sections.append([])
            if piece:
                sections[-1].append(piece)
    return sections


def compile_arn(tokens: Sequence[Resolved]) -> ArnPredicate | None:
    """Compile a test that compares the six parts of an ARN separately; None unless the pattern has six parts.

    For example, `arn:aws:sqs:*:111122223333:q` does not match a queue of another account whose name contains
    `:111122223333:q` (AWS IAM User Guide, ARN condition operators).
    """
    return compile_arn_sections(split_sections(tokens))


def compile_arn_sections(sections: Sequence[Sequence[Token]]) -> ArnPredicate | None:
    """Compile an ARN test from a pattern that is already split, so that a variable's value stays within its part."""
    if len(sections) < 6 or literal_text(_resolved(sections[0])) != "arn":
        return None
    tests = [
        (index, compile_glob(section))
        for index, section in enumerate(map(_resolved, sections))
        if index and section != [ANY_RUN]
    ]
    # Test the service first, because services differ most often.
    tests.sort(key=lambda test: (test[0] != 2, test[0]))

    def matches(parts: Sequence[str]) -> bool:
        for index, test in tests:  # noqa: SIM110 - a generator costs as much as three tests
            if not test(parts[index]):
                return False
        return True

    return matches


def _resolved(section: Sequence[Token]) -> list[Resolved]:
    return [token for token in section if not isinstance(token, PolicyVariable)]
